"""Looks at a model while it is trained: bits per byte of held-out text, and what it writes."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from stages.continue_pretraining.journal import Journal
from stages.shared.document_encoder import DocumentEncoder, load_encoder
from stages.shared.generation import continue_text
from stages.shared.held_out_text import read_texts
from stages.shared.scoring.windows import Window, cut_windows, make_batches
from stages.shared.training.batches import IGNORED, Batch
from stages.shared.training.feeding import to_device
from stages.shared.training.loss import LossModel
from stages.shared.training.settings import TrainingSettings
from stages.shared.training.sharding import release
from stages.shared.training.step import Training, uncompiled
from stages.shared.training.watching import WatchSettings

PREFIX = "held_out_"
"""Of the inputs with text to watch; the rest of the name is the text's."""
BATCH_WINDOWS = 4
"""Scored at once, on every machine: the last digits of a sum depend on it, and they stand in the artifact."""


@dataclass(frozen=True)
class HeldOut:
    """A text in the model's tokens."""

    name: str
    """`target`, `source`, or `other` for the target language in another domain."""
    bytes: int
    tokens: int
    """Predicted ones."""
    batches: tuple[Batch, ...]


@dataclass(frozen=True)
class Watcher:
    """What is looked at, and when."""

    settings: WatchSettings | None
    encoder: DocumentEncoder | None
    """None where nothing is watched."""
    texts: tuple[HeldOut, ...]

    @property
    def writes(self) -> bool:
        """Tell whether samples of its own text are asked of the model."""
        wanted = self.settings
        return wanted is not None and bool(wanted.prompts) and wanted.max_new_tokens > 0

    def due(self, step: int, steps: int) -> bool:
        """Tell whether to look after `step` optimizer steps of `steps`."""
        return self.settings is not None and (step % self.settings.every_steps == 0 or step == steps)

    def look(self, training: Training, step: int, journal: Journal) -> None:
        """Score the texts, continue the prompts and write both down; all processes take part."""
        with uncompiled():
            self._look(training, step, journal)

    def _look(self, training: Training, step: int, journal: Journal) -> None:
        training.model.eval()
        at = {"step": step, "tokens": training.tokens_after(step)}
        for text in self.texts:
            nll = summed_nll(training, text.batches)
            figures = {"bits_per_byte": nll / math.log(2) / text.bytes, "loss": nll / text.tokens}
            known = {name: value if math.isfinite(value) else None for name, value in figures.items()}
            journal.held_out(step, {**at, "text": text.name, **known})
        journal.samples(step, [{**at, **sample} for sample in self._continued(training)])
        training.model.train()

    def _continued(self, training: Training) -> list[dict[str, str]]:
        settings, encoder = self.settings, self.encoder
        if settings is None or encoder is None or not self.writes:
            return []
        if training.sharded is not None:  # what writes needs the whole model on one device
            return []
        samples = []
        for prompt in settings.prompts:
            with training.accelerator.autocast():
                written = continue_text(training.model, encoder, prompt, settings.max_new_tokens)
            samples.append({"prompt": prompt, "continuation": written})
        return samples


def make_watcher(inputs: Mapping[str, Path], settings: TrainingSettings) -> Watcher:
    """Read the held-out texts among the inputs and cut them into windows of the training's sequence length."""
    if settings.watch is None or settings.objective == "masked":
        return Watcher(None, None, ())
    encoder = load_encoder(inputs["model"])
    folders = {name.removeprefix(PREFIX): folder for name, folder in inputs.items() if name.startswith(PREFIX)}
    texts = []
    for name, folder in sorted(folders.items(), reverse=True):  # the target first
        if documents := read_texts(folder):
            texts.append(cut_text(name, documents, encoder, settings.sequence_length))
        else:
            print(f"{folder} holds no held-out text, so none of the {name} is watched", file=sys.stderr)
    return Watcher(settings.watch, encoder, tuple(texts))


def cut_text(name: str, documents: Sequence[str], encoder: DocumentEncoder, length: int) -> HeldOut:
    """Tokenize documents, cut them into windows of at most `length` tokens, and put BATCH_WINDOWS of these together."""
    ids = encoder.encode(list(documents))
    windows = cut_windows([len(row) for row in ids], length)
    return HeldOut(
        name,
        bytes=sum(len(text.encode()) for text in documents),
        tokens=sum(len(row) - 1 for row in ids),
        batches=tuple(_batch(ids, batch) for batch in make_batches(windows, length * BATCH_WINDOWS)),
    )


def _batch(documents: Sequence[Sequence[int]], windows: Sequence[Window]) -> Batch:
    """Return windows as a batch in which only their scored tokens are labels; the first window is the longest."""
    shape = (len(windows), len(windows[0]) - 1)
    inputs, labels = np.zeros(shape, dtype=np.int64), np.full(shape, IGNORED, dtype=np.int64)
    for row, window in enumerate(windows):
        ids = documents[window.document][window.start : window.end]
        inputs[row, : len(ids) - 1] = ids[:-1]
        labels[row, len(ids) - 1 - window.scored : len(ids) - 1] = ids[len(ids) - window.scored :]
    positions = np.tile(np.arange(shape[1], dtype=np.int64), (shape[0], 1))
    return Batch(inputs, labels, positions)


@torch.no_grad()
def summed_nll(training: Training, batches: Sequence[Batch]) -> float:
    """Return the nll in nats of all labels, each process taking its part of the batches."""
    accelerator, share = training.accelerator, training.share
    # Documents stand alone in their rows, padding on their right: a causal model needs no mask.
    module = training.sharded or LossModel(training.model, by_document=False)
    total = torch.zeros((), dtype=torch.float64, device=accelerator.device)
    for first in range(0, len(batches), share.ranks):
        mine = first + share.rank
        # A process without a batch goes along without labels, since sharded weights are gathered by all.
        batch = batches[mine] if mine < len(batches) else unlabelled(batches[first])
        with accelerator.autocast():
            total += module(*to_device(batch, accelerator.device))
    if training.sharded is not None:
        release(training.sharded)
    return float(total if share.ranks == 1 else accelerator.reduce(total, reduction="sum"))


def unlabelled(batch: Batch) -> Batch:
    """Return a batch whose loss is 0."""
    return Batch(batch.inputs, np.full_like(batch.labels, IGNORED), batch.positions)
