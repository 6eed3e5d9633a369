"""The training loop: steps over global batches, phases, looks at the model, checkpoints, and a clean stop."""

import math
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from torch import nn
from tqdm import tqdm

from pipeline.errors import UserError
from stages.continue_pretraining.checkpoints import (
    Checkpoint,
    load_checkpoint,
    newest_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from stages.continue_pretraining.journal import Journal
from stages.continue_pretraining.speed import Speedometer, flops_per_token
from stages.continue_pretraining.spikes import highest_loss, remember
from stages.continue_pretraining.watcher import Watcher
from stages.shared.interruption import Interruption
from stages.shared.saving_clock import SavingClock
from stages.shared.training.sharding import like, whole
from stages.shared.training.step import StepResult, Training, start_phase, take_step
from stages.shared.training.stopping import agree, stopped


@dataclass(frozen=True)
class SavedTraining(Training):
    """A training that can go on from its checkpoints, and is watched."""

    checkpoints: Path
    checkpoint_seconds: float
    checkpoint_pause_factor: float
    kept_checkpoints: int
    watcher: Watcher
    peak_flops_per_second: float | None
    """Of one process' device."""


@dataclass
class Progress:
    """Where a training stands; goes into its checkpoints."""

    step: int = 0
    """Optimizer steps done, skipped ones among them."""
    skipped: int = 0
    skipped_in_a_row: int = 0
    first_loss: float | None = None
    last_loss: float | None = None
    recent_losses: list[float] = field(default_factory=list)
    """Finite ones of the last steps, skipped ones among them, as many as decide what a spike is."""
    looked_at: int | None = None
    """The last step after which the model was looked at."""
    validation_loss: float | None = None
    """Before the first step, nats a token."""


@dataclass(frozen=True)
class RunningPhase:
    """What does not change from step to step within a phase."""

    number: int
    module: nn.Module
    """Gives the loss of a batch."""
    weights: list[nn.Parameter]
    """The trained ones."""
    speedometer: Speedometer


def resume(training: SavedTraining) -> tuple[Progress, dict[str, str]]:
    """Restore the newest sound checkpoint, if there is one; return the progress and the journal's files up to it."""
    found = _agreed_checkpoint(training)
    if found is None:
        return Progress(), {}
    checkpoint = load_checkpoint(found)
    weights = dict(training.model.named_parameters())
    with torch.no_grad():
        for name, tensor in checkpoint.weights.items():
            weights[name].copy_(like(weights[name], tensor))
    restore_optimizer(training.optimizer, weights, checkpoint.optimizer)
    progress = Progress(**checkpoint.state)
    if training.accelerator.is_main_process:
        print(f"going on after step {progress.step} of {training.schedule.steps}, from {found}", file=sys.stderr)
    return progress, checkpoint.journal


def _agreed_checkpoint(training: SavedTraining) -> Path | None:
    """Return the newest checkpoint that the first process finds sound.

    It reads all of it, which for every process would take long; and where one read badly, they would go on apart.
    """
    main = training.accelerator.is_main_process
    found = [newest_checkpoint(training.checkpoints) if main and training.checkpoints.is_dir() else None]
    broadcast_object_list(found, from_process=0)
    return found[0]


def train(training: SavedTraining, progress: Progress, journal: Journal, interruption: Interruption) -> None:
    """Take the steps that are left; the journal holds the steps before.

    Raises UserError when a signal asked for a stop (once the state is saved; OutOfTime where it was a scheduler's), or
    when too many steps in a row had to be skipped.
    """
    clock, steps = SavingClock(training.checkpoint_seconds, training.checkpoint_pause_factor), training.schedule.steps
    phase: RunningPhase | None = None
    with _progress_bar(training, progress) as bar:
        while True:
            _look(training, progress, journal)
            if progress.step == steps:
                return
            number = training.schedule.phase(progress.step)
            if phase is None or phase.number != number:
                phase = None  # it holds gradients, for which there may be no room beside the new ones
                phase = _begin_phase(training, number)
            line = _step(training, progress, journal, phase)
            bar.set_postfix(loss=line["loss"], lr=f"{line['embedding_learning_rate']:.1e}", refresh=False)
            bar.update(line["tokens"] - bar.n)
            wishes = agree(training.accelerator, clock.due, interruption)
            # Not after the last: to finish the model writes a sixth of a checkpoint's bytes (in bfloat16), so that what
            # it could save, rarely and at most `checkpoint_seconds`, is less than what it always costs.
            if (wishes.save or wishes.stop) and progress.step < steps:
                clock.begin()
                _save(training, progress, number, journal)
                clock.end()
                if wishes.stop:
                    done = progress.step, steps
                    raise stopped("training", interruption, wishes.time_is_up, done, training.checkpoints)


def _look(training: SavedTraining, progress: Progress, journal: Journal) -> None:
    """Look at the model where that is due and not done yet.

    At the beginning of a step, since a process that is to stop has no time for it; the one that goes on does it.
    """
    if progress.looked_at != progress.step and training.watcher.due(progress.step, training.schedule.steps):
        training.watcher.look(training, progress.step, journal)
        progress.looked_at = progress.step


def _begin_phase(training: SavedTraining, number: int) -> RunningPhase:
    module, weights = start_phase(training, number)
    peak = training.peak_flops_per_second
    # Frozen weights cost less, so each phase has figures of its own.
    flops = flops_per_token(training.model, training.data.sequence_length)
    return RunningPhase(number, module, weights, Speedometer(flops, peak and peak * training.accelerator.num_processes))


def _step(training: SavedTraining, progress: Progress, journal: Journal, phase: RunningPhase) -> dict[str, Any]:
    """Take a step, write it down and return its line; raise UserError where too many were skipped."""
    began = time.perf_counter()
    skipping = training.schedule.settings.skipping
    most_loss = highest_loss(progress.recent_losses, skipping.spikes)
    result = take_step(training, phase.module, phase.weights, progress.step, most_loss)
    line = _record(training, progress, result)
    tokens = line["tokens"] - training.tokens_after(progress.step - 1)
    journal.step(line, phase.speedometer.figures(tokens, time.perf_counter() - began))
    if progress.skipped_in_a_row >= skipping.most_in_a_row:
        raise UserError(_diverged(training, progress, result, most_loss))
    return line


def _record(training: SavedTraining, progress: Progress, result: StepResult) -> dict[str, Any]:
    """Count the step and return its line of metrics.jsonl; what is not finite is null there."""
    step = progress.step
    rates = {False: 0.0, True: 0.0}
    for group in training.groups:
        rate = group.learning_rate(training.schedule, step)
        rates[group.embeddings] = max(rates[group.embeddings], rate)
    progress.step += 1
    if spikes := training.schedule.settings.skipping.spikes:
        progress.recent_losses = remember(progress.recent_losses, result.loss, spikes)
    if result.taken:
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
        "skipped": not result.taken,
        "skipped_steps": progress.skipped,
    }


def _save(training: SavedTraining, progress: Progress, phase: int, journal: Journal) -> None:
    """Write a checkpoint; all processes wait for the first, so that none runs ahead of what is safe."""
    main = training.accelerator.is_main_process
    weights = dict(training.model.named_parameters())
    trained = [name for group in training.groups if min(group.phases) <= phase for name in group.names]
    names = {id(weight): name for name, weight in weights.items()}
    values = whole({name: weights[name].detach() for name in trained}, keep=main)
    moments = whole(optimizer_tensors(training.optimizer, names), keep=main)
    if main:
        save_checkpoint(
            training.checkpoints,
            Checkpoint(
                weights=values,
                optimizer=moments,
                journal=journal.contents(),
                state=asdict(progress),
            ),
            training.kept_checkpoints,
        )
    training.accelerator.wait_for_everyone()


def _progress_bar(training: SavedTraining, progress: Progress) -> Any:
    return tqdm(
        total=training.total_tokens,
        initial=training.tokens_after(progress.step),
        desc="training",
        unit="tok",
        disable=not training.accelerator.is_main_process,
    )


def _diverged(training: SavedTraining, progress: Progress, result: StepResult, most_loss: float) -> str:
    good = newest_checkpoint(training.checkpoints) if training.checkpoints.is_dir() else None
    where = f"the last good checkpoint is {good}" if good else "there is no checkpoint yet"
    last = "not finite" if not result.finite else f"{result.loss:.3f}, where at most {most_loss:.3f} was allowed"
    return (
        f"{progress.skipped_in_a_row} steps in a row were skipped because their loss or gradient was not finite or the "
        f"loss far above that of the steps before; in the last, step {progress.step}, it was {last}. In all "
        f"{progress.skipped} were skipped; {where}. The same command goes on from there, also with other settings of "
        "cluster, which helps where the machine was at fault. Whatever is changed in training begins a new one: lower "
        "learning rates in training.phases, a lower training.max_grad_norm, training.precision=float32, or a larger "
        "training.skipping.most_in_a_row"
    )
