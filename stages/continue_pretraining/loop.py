"""The training loop: steps over global batches, phases, checkpoints, and a clean stop."""

import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import torch
from accelerate import Accelerator
from torch import nn
from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.tracking import Tracker
from stages.continue_pretraining.checkpoints import (
    Checkpoint,
    load_checkpoint,
    newest_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from stages.shared.interruption import Interruption
from stages.shared.training.step import StepResult, Training, start_phase, take_step

SKIPPED_IN_A_ROW = 5
"""Steps with a loss or gradient that is not finite, one after the other, that end the training."""


@dataclass(frozen=True)
class SavedTraining(Training):
    """A training that can go on from its checkpoints."""

    checkpoints: Path
    checkpoint_seconds: float


@dataclass
class Progress:
    """Where a training stands; goes into its checkpoints."""

    step: int = 0
    """Optimizer steps done, skipped ones among them."""
    skipped: int = 0
    skipped_in_a_row: int = 0
    first_loss: float | None = None
    last_loss: float | None = None
    validation_loss: float | None = None
    """Before the first step, nats a token."""


def resume(training: SavedTraining) -> tuple[Progress, str]:
    """Restore the newest sound checkpoint, if there is one; return the progress and metrics.jsonl up to it."""
    found = newest_checkpoint(training.checkpoints) if training.checkpoints.is_dir() else None
    if found is None:
        return Progress(), ""
    checkpoint = load_checkpoint(found)
    weights = dict(training.model.named_parameters())
    with torch.no_grad():
        for name, tensor in checkpoint.weights.items():
            weights[name].copy_(tensor)
    restore_optimizer(training.optimizer, weights, checkpoint.optimizer)
    progress = Progress(**checkpoint.state)
    if training.accelerator.is_main_process:
        print(f"going on after step {progress.step} of {training.schedule.steps}, from {found}", file=sys.stderr)
    return progress, checkpoint.metrics


def train(
    training: SavedTraining, progress: Progress, metrics: TextIO, tracker: Tracker, interruption: Interruption
) -> None:
    """Take the steps that are left; `metrics` is open for reading and writing and holds the steps before.

    Raises UserError when a signal asked for a stop (once the state is saved), or when too many steps in a row have no
    finite loss.
    """
    saved_at, phase = time.monotonic(), -1
    module, weights = nn.Module(), list[nn.Parameter]()
    with _progress_bar(training, progress) as bar:
        while progress.step < training.schedule.steps:
            if phase != training.schedule.phase(progress.step):
                phase = training.schedule.phase(progress.step)
                module, weights = start_phase(training, phase)
            result = take_step(training, module, weights, progress.step)
            line = _record(training, progress, result)
            metrics.write(json.dumps(line) + "\n")
            tracker.log(progress.step, line)
            bar.set_postfix(loss=f"{result.loss:.3f}", lr=f"{line['embedding_learning_rate']:.1e}", refresh=False)
            bar.update(line["tokens"] - bar.n)
            if progress.skipped_in_a_row >= SKIPPED_IN_A_ROW:
                raise UserError(_diverged(training, progress))
            due = time.monotonic() - saved_at >= training.checkpoint_seconds
            save, stop = _agreed(training.accelerator, due, interruption.signal_name is not None)
            if (save or stop) and progress.step < training.schedule.steps:
                _save(training, progress, phase, metrics)
                saved_at = time.monotonic()
                if stop:
                    raise UserError(_stopped(training, progress, interruption))


def _record(training: SavedTraining, progress: Progress, result: StepResult) -> dict[str, Any]:
    """Count the step and return its line of metrics.jsonl; what is not finite is null there."""
    step = progress.step
    rates = {False: 0.0, True: 0.0}
    for group in training.groups:
        rate = group.learning_rate(training.schedule, step)
        rates[group.embeddings] = max(rates[group.embeddings], rate)
    progress.step += 1
    if result.finite:
        progress.skipped_in_a_row = 0
        progress.last_loss = result.loss
        progress.first_loss = result.loss if progress.first_loss is None else progress.first_loss
    else:
        progress.skipped += 1
        progress.skipped_in_a_row += 1
    return {
        "step": progress.step,
        "tokens": training.tokens_after(progress.step),
        "phase": training.schedule.settings.phases[training.schedule.phase(step)].name,
        "loss": result.loss if math.isfinite(result.loss) else None,
        "learning_rate": rates[False],
        "embedding_learning_rate": rates[True],
        "grad_norm": result.grad_norm if math.isfinite(result.grad_norm) else None,
        "skipped_steps": progress.skipped,
    }


def _save(training: SavedTraining, progress: Progress, phase: int, metrics: TextIO) -> None:
    """Write a checkpoint; all processes wait for the first, so that none runs ahead of what is safe."""
    if training.accelerator.is_main_process:
        weights = dict(training.model.named_parameters())
        trained = [name for group in training.groups if min(group.phases) <= phase for name in group.names]
        names = {id(weight): name for name, weight in weights.items()}
        metrics.flush()
        metrics.seek(0)
        save_checkpoint(
            training.checkpoints,
            Checkpoint(
                weights={name: weights[name].detach() for name in trained},
                optimizer=optimizer_tensors(training.optimizer, names),
                metrics=metrics.read(),
                state=asdict(progress),
            ),
        )
    training.accelerator.wait_for_everyone()


def _agreed(accelerator: Accelerator, save: bool, stop: bool) -> tuple[bool, bool]:
    """Return whether to save (as the first process' clock says) and to stop (if any process was asked to)."""
    if accelerator.num_processes == 1:
        return save, stop
    wishes = torch.tensor([save and accelerator.is_main_process, stop], dtype=torch.int64, device=accelerator.device)
    totals = accelerator.reduce(wishes, reduction="sum")
    return bool(totals[0] > 0), bool(totals[1] > 0)


def _progress_bar(training: SavedTraining, progress: Progress) -> Any:
    return tqdm(
        total=training.total_tokens,
        initial=training.tokens_after(progress.step),
        desc="training",
        unit="tok",
        disable=not training.accelerator.is_main_process,
    )


def _diverged(training: SavedTraining, progress: Progress) -> str:
    good = newest_checkpoint(training.checkpoints) if training.checkpoints.is_dir() else None
    where = f"the last good checkpoint is {good}" if good else "there is no checkpoint yet"
    return (
        f"loss or gradient was not finite in {SKIPPED_IN_A_ROW} steps in a row, the last of them step {progress.step}; "
        f"{where}. Lower training.phases' learning rates or training.max_grad_norm, or use training.precision=float32"
    )


def _stopped(training: SavedTraining, progress: Progress, interruption: Interruption) -> str:
    return (
        f"training was stopped by {interruption.signal_name or 'a signal to another process'} after step "
        f"{progress.step} of {training.schedule.steps}; it is saved in {training.checkpoints}, and the same command "
        "goes on from there"
    )
