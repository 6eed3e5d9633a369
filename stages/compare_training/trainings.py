"""Finished trainings, with each of their looks at held-out text put at the bytes seen and the operations spent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UserError
from stages.compare_training.settings import Variant
from stages.shared.artifact import read_json, read_json_lines
from stages.shared.training.operations import attention_width, operations_per_token
from stages.shared.training.settings import TrainingSettings

SYSTEMS = ("adapted", "source_finetuned")
"""The model that is compared, and the one that it is compared with."""


@dataclass(frozen=True)
class Curve:
    """How well a model predicts one text while it is trained; all arrays float64, shape (looks,), the first at 0."""

    bytes: np.ndarray
    """UTF-8 bytes of training text seen."""
    flops: np.ndarray
    """Floating-point operations spent on them; neither looks nor the mapping are counted."""
    bits_per_byte: np.ndarray

    def at(self, axis: str, amount: float) -> float:
        """Return the bits per byte after so many `bytes` or `flops`, between two looks on a straight line."""
        return float(np.interp(amount, getattr(self, axis), self.bits_per_byte))

    def end(self, axis: str) -> float:
        """Return all `bytes` or `flops` of the training."""
        return float(getattr(self, axis)[-1])


@dataclass(frozen=True)
class TrainedModel:
    """One training."""

    system: str
    replay: str
    seed: int
    tokens: int
    curves: Mapping[str, Curve]
    """By text: `target`, `source`, `other`."""


@dataclass(frozen=True)
class Decoder:
    """What of a decoder's config decides its cost."""

    table: int
    """Weights of the input table."""
    tied: bool
    width: int
    """Of all attention heads together, over all layers."""


def read_trainings(
    variants: Sequence[Variant], training: TrainingSettings, inputs: Mapping[str, Path]
) -> Iterator[TrainedModel]:
    """Yield the trainings of all variants and seeds. Raises UserError for one that was watched on no text."""
    for variant in variants:
        for seed in variant.seeds:
            for system in SYSTEMS:
                name = f"{system}_{variant.replay}_{seed}"
                summary = read_json(inputs[name] / "training.json")
                operations = phase_operations(summary, read_decoder(inputs[name]), training)
                size = read_json(inputs[f"tokens_{name}"] / "tokens.json")
                curves = make_curves(read_looks(inputs[name]), operations, size["bytes"] / size["tokens"])
                yield TrainedModel(system, variant.replay, seed, summary["tokens"], curves)


def read_looks(folder: Path) -> list[dict[str, Any]]:
    """Read held_out.jsonl. Raises UserError where there is none: the texts to watch were empty."""
    path = folder / "held_out.jsonl"
    if not path.is_file():
        raise UserError(
            f"{folder} was watched on no text, so it has no curve: the validation splits of corpus and bitext are "
            "empty. Add data cards to the language's file, or give a larger corpus.split.validation_share"
        )
    return read_json_lines(path)


def read_decoder(folder: Path) -> Decoder:
    """Read config.json; what a config does not name is as transformers has it."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder).get_text_config()
    return Decoder(
        table=config.vocab_size * config.hidden_size,
        tied=bool(config.tie_word_embeddings),
        width=attention_width(config),
    )


def phase_operations(
    summary: Mapping[str, Any], decoder: Decoder, training: TrainingSettings
) -> list[tuple[int, float]]:
    """Return for each phase in training.json its tokens, and the operations for each of them.

    An input table that is no head is looked up, not multiplied.
    """
    looked_up = 0 if decoder.tied else decoder.table
    adapter = training.adapter
    trained_too = looked_up if adapter.method == "none" or adapter.embeddings else 0
    multiplied = summary["parameters"] - looked_up
    attention = decoder.width * training.sequence_length
    return [
        (phase["tokens"], operations_per_token(multiplied, phase["parameters"] - trained_too, attention))
        for phase in summary["phases"]
    ]


def make_curves(
    looks: Sequence[Mapping[str, Any]], operations: Sequence[tuple[int, float]], bytes_per_token: float
) -> dict[str, Curve]:
    """Return the curve of each text that was looked at, the mean bytes a token taken for all of the training text.

    Looks at which the loss was not finite are left out.
    """
    ends = np.cumsum([0.0, *(tokens for tokens, _ in operations)])
    spent = np.cumsum([0.0, *(tokens * cost for tokens, cost in operations)])
    curves = {}
    for text in dict.fromkeys(look["text"] for look in looks):
        finite = [look for look in looks if look["text"] == text and look["bits_per_byte"] is not None]
        tokens = np.array([look["tokens"] for look in finite], dtype=np.float64)
        bits = np.array([look["bits_per_byte"] for look in finite], dtype=np.float64)
        if len(finite) > 1:
            curves[text] = Curve(tokens * bytes_per_token, np.interp(tokens, ends, spent), bits)
    return curves
