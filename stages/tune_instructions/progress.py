"""What a training by trl writes while it runs: metrics.jsonl, checkpoints that are whole, and a clean stop."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from transformers import TrainerCallback

from pipeline.errors import UserError
from pipeline.tracking import Tracker
from stages.shared.interruption import Interruption
from stages.shared.saving_clock import SavingClock
from stages.shared.sealing import is_sealed, newest_sound, seal
from stages.shared.training.stopping import agree

KEPT = 2
NAMES = {
    "num_tokens": "tokens",
    "loss": "loss",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
    "mean_token_accuracy": "token_accuracy",
    "rewards/accuracies": "reward_accuracy",
    "rewards/margins": "reward_margin",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
}
"""Of the figures that trl logs, ours by theirs."""


class Progress(TrainerCallback):
    """Writes a line of metrics an optimizer step, saves when it is time, and stops when a signal came.

    The first process alone writes; each of the others has a callback of its own, for what they agree on.
    """

    def __init__(
        self, metrics: Path | None, tracker: Tracker, stopping: tuple[Accelerator, Interruption], clock: SavingClock
    ) -> None:
        self.metrics = metrics.open("w", encoding="utf-8", newline="\n") if metrics else None
        self.tracker = tracker
        self.accelerator, self.interruption = stopping
        self.clock = clock
        self.tokens_before = 0
        """Tokens of the steps before this process; trl counts its own only."""
        self.time_is_up = False
        """Whether it was a scheduler's signal that stopped it."""

    def close(self) -> None:
        """Close the file of metrics."""
        if self.metrics:
            self.metrics.close()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the lines of the steps before a checkpoint, which the trainer's history holds."""
        for line in state.log_history:
            self._write(line)
        self.tokens_before = state.log_history[-1]["tokens"] if state.log_history else 0

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Write one step's line; raises UserError where its loss is not finite."""
        if not logs or "loss" not in logs:
            del state.log_history[-1]  # trl's summary at the end
            return
        line = {"step": state.global_step} | {ours: logs[theirs] for theirs, ours in NAMES.items() if theirs in logs}
        line["tokens"] = self.tokens_before + int(logs["num_tokens"])
        state.log_history[-1] = line
        if not math.isfinite(logs["loss"]):
            good = [path for path in checkpoints(Path(args.output_dir)) if is_sealed(path)]
            where = f"the last good checkpoint is {good[-1]}" if good else "there is no checkpoint yet"
            raise UserError(
                f"the loss of step {state.global_step} is not finite; {where}. Lower the learning_rate of tuning.sft "
                "or tuning.dpo, or use precision: float32, which begins a new tuning"
            )
        self._write(line)
        self.tracker.log(state.global_step, line)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a checkpoint, and for the end, where it is time."""
        wishes = agree(self.accelerator, self.clock.due, self.interruption)
        if (wishes.stop or wishes.save) and state.global_step < state.max_steps:
            self.clock.begin()
            self.time_is_up = wishes.time_is_up
            control.should_save, control.should_training_stop = True, wishes.stop

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seal the checkpoint, whose files transformers wrote one by one, and remove the oldest ones."""
        self.accelerator.wait_for_everyone()  # each has written the state of its random numbers
        if self.accelerator.is_main_process:
            folder = Path(args.output_dir)
            seal(folder / f"checkpoint-{state.global_step}")
            kept = [path for path in checkpoints(folder) if is_sealed(path)][-KEPT:]
            for path in checkpoints(folder):
                if path not in kept:
                    shutil.rmtree(path)
        self.accelerator.wait_for_everyone()  # none runs ahead of what is safe
        self.clock.end()

    def _write(self, line: dict[str, Any]) -> None:
        if self.metrics:
            self.metrics.write(json.dumps(line) + "\n")
            self.metrics.flush()


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints, whole or not, the newest last."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest sound checkpoint, None where there is none; name and remove the torn ones after it."""
    found = checkpoints(folder)[::-1]
    newest = newest_sound(found)
    for torn in found[: found.index(newest) if newest else None]:
        shutil.rmtree(torn)
    return newest
