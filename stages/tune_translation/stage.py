"""tune_translation: a model, plain or Hydra, learns to translate from sentence pairs (ParFT)."""

import json
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from pipeline.stage import Execution, Metrics
from stages.shared.artifact import write_json
from stages.shared.carried_files import carry_over
from stages.shared.hydra.loading import load_processor, load_translator
from stages.shared.text_table import read_rows
from stages.shared.training.loss import check_plain_head
from stages.shared.translation.memory import Match, match_figures, read_memory, show
from stages.shared.translation.pairs import Pair, usable_pairs
from stages.shared.translation.prompts import check_languages
from stages.tune_translation.examples import PairEncoder
from stages.tune_translation.pairs import draw_pairs, match_pairs, pairs_digest
from stages.tune_translation.settings import TuneTranslationSettings
from stages.tune_translation.training import train

SIDES = ("source", "target")


def tune_translation(
    settings: TuneTranslationSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write the tuned model as a folder of its kind, metrics.jsonl (a line an optimizer step) and training.json.

    Inputs: `model`, `bitext`, and `base_model`, whose tokenizer counts the budget: so every system is trained on equal
    bytes in equal steps. With `equal_to`, another bitext, there are as many pairs as the budget takes of that one, and
    about as many bytes of translations. With `matching`, `memory` is the bitext whose pairs are shown in others'
    prompts; that changes neither the pairs nor the steps. The training is short, so that a killed one begins anew.
    """
    tuning = settings.parallel_tuning
    pairs = read_training_pairs(settings, inputs)
    model, processor = load_translator(inputs["model"], "float32", execution.device, tuning.threads)
    check_plain_head(model)
    check_languages(processor, settings.languages)
    encoder = PairEncoder(processor, settings.prompt, settings.languages)
    matches = find_matches(settings, inputs, pairs)
    shown = [show(match, settings.languages, settings.matching) for match in matches]
    examples = [encoder.encode(*both) for both in zip(pairs, shown, strict=True)]
    began = perf_counter()
    with (out / "metrics.jsonl").open("w", encoding="utf-8", newline="\n") as metrics:
        losses = []
        for line in train(model, examples, tuning, execution.micro_batch):
            metrics.write(json.dumps(line) + "\n")
            losses.append(line["loss"])
    seconds = perf_counter() - began
    write_model(model, inputs["model"], out)
    tokens = sum(len(example.ids) for example in examples)
    described: dict[str, Any] = {
        "pairs": len(pairs),
        "pairs_sha256": pairs_digest(pairs),
        "bytes": {side: sum(len(pair[place].encode()) for pair in pairs) for place, side in enumerate(SIDES)},
        "steps": len(losses),
        "tokens": tokens,
        "learnt_tokens": sum(len(example.ids) - example.asked for example in examples),
        "loss": {"first": losses[0], "last": losses[-1]},
    }
    if "equal_to" in inputs:
        described["different_pairs"] = len(set(pairs))
    if settings.matching:
        described["matches"] = match_figures(matches)
    write_json(out / "training.json", described)
    return {**described, "tokens_per_s": round(tokens / seconds, 2), "seconds_training": round(seconds, 1)}


def read_training_pairs(settings: TuneTranslationSettings, inputs: Mapping[str, Path]) -> list[Pair]:
    """Return the pairs to train on, by the base model's tokenizer, whatever the model."""
    tuning = settings.parallel_tuning
    counting = PairEncoder(load_processor(inputs["base_model"]), settings.prompt, settings.languages)
    # Where the prompt has special tokens, a text with the name of one could not be told from it.
    forbidden = counting.special_tokens if counting.special else ()

    def usable(bitext: Path) -> list[Pair]:
        rows = read_rows(bitext / "train.parquet", ["source_text", "target_text"])
        pairs = usable_pairs(rows, tuning.least_words)
        return [pair for pair in pairs if not any(token in text for token in forbidden for text in pair)]

    def length(pair: Pair) -> int:
        return len(counting.encode(pair).ids)

    budget = inputs.get("equal_to", inputs["bitext"])
    drawn = draw_pairs(usable(budget), length, tuning.tokens, tuning.longest, tuning.seed)
    if budget == inputs["bitext"]:
        return drawn
    return match_pairs(usable(inputs["bitext"]), drawn, length, tuning.longest, tuning.seed)


def find_matches(
    settings: TuneTranslationSettings, inputs: Mapping[str, Path], pairs: list[Pair]
) -> list[Match | None]:
    """Return for each pair the one to show in its prompt; none at all without `matching`."""
    if settings.matching is None:
        return [None] * len(pairs)
    once = list(dict.fromkeys(pairs))
    found = dict(zip(once, read_memory(inputs["memory"], settings.matching).find(once), strict=True))
    return [found[pair] for pair in pairs]


def write_model(model: Any, source: Path, out: Path) -> None:
    """Write the weights in the type that the input has them in, and with them all else that its folder holds."""
    carry_over(source, out)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    stored = config.get("dtype") or config.get("torch_dtype") or "float32"
    model.to(dtype=getattr(torch, stored)).save_pretrained(out)
