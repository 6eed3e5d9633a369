"""What the processes of a training agree on after each step: to save, to stop, and why."""

from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

from pipeline.errors import OutOfTime, UserError
from stages.shared.interruption import TIME_IS_UP, Interruption


@dataclass(frozen=True)
class Wishes:
    """The same in every process."""

    save: bool
    stop: bool
    time_is_up: bool
    """Was it a scheduler who wants it stopped?"""


def agree(accelerator: Accelerator, save: bool, interruption: Interruption) -> Wishes:
    """Return whether to save (as the first process wants), to stop, and for want of time (if any was told)."""
    stop, time_is_up = interruption.wanted, interruption.time_is_up
    if accelerator.num_processes == 1:
        return Wishes(save, stop, time_is_up)
    wishes = [save and accelerator.is_main_process, stop, time_is_up]
    totals = accelerator.reduce(
        torch.tensor(wishes, dtype=torch.int64, device=accelerator.device), reduction="sum"
    ).tolist()
    return Wishes(*(total > 0 for total in totals))


def stopped(
    what: str, interruption: Interruption, time_is_up: bool, steps: tuple[int, int], checkpoints: Path
) -> UserError:
    """Return the error to raise once the state is saved, OutOfTime where it was a scheduler's signal.

    `what` is a noun, `steps` are those done and all; the signal may have come to another process.
    """
    name = interruption.signal_name or (TIME_IS_UP.name if time_is_up else "a signal")
    whose = "" if interruption.wanted else " to another process"
    kind = OutOfTime if time_is_up else UserError
    return kind(
        f"{what} was stopped by {name}{whose} after step {steps[0]} of {steps[1]}; it is saved in {checkpoints}, and "
        "the same command goes on from there"
    )
