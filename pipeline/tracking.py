"""Weights & Biases behind two calls; it never stops a training, and is not even imported where tracking is off."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pipeline.provenance import git_state, hardware
from pipeline.stage import Execution

STEP = "step"
"""The optimizer step among the values of a line."""
TAGS = ("language", "base_model", "mapping", "experiment")
"""Of the labels, those that are tags as well."""
TAG_LENGTH = 64
"""Characters that W&B takes."""
INIT_SECONDS = 30.0
"""How long W&B's server may take to answer: GPUs wait meanwhile (wandb's own limit is 90)."""
FINISH_SECONDS = 60.0
"""How long it may take with what is left at the end (wandb's own limit is none), before a scheduler's time is up."""


class Tracker(Protocol):
    """Where a training reports to."""

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Report the values of one optimizer step (from 1)."""

    def log_table(self, step: int, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Report rows with the same keys, at least one, as a table."""

    def finish(self) -> None:
        """End the report; the run may be resumed later under the same name."""


class NoTracker:
    """Reports to nobody."""

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Do nothing."""

    def log_table(self, step: int, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


class WandbTracker:
    """One run of Weights & Biases.

    Its own count of steps only ever rises, and what comes for a lower one is dropped; but a look that a stop kept from
    being taken comes after the resume, for a step that is there already. So ours is a value, over which all is drawn.
    """

    def __init__(self, run: Any) -> None:
        self.run = run
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP)

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Report the values of one step."""
        self.run.log({**values, STEP: step})

    def log_table(self, step: int, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Report rows with the same keys, at least one, as a table."""
        import wandb

        columns: list[str | int] = list(rows[0])
        self.log(step, {name: wandb.Table(columns, [list(row.values()) for row in rows])})

    def finish(self) -> None:
        """Write what is left and close the run; what the server does not take in time stays on the disk."""
        try:
            self.run.finish()
        except TimeoutError:
            command = f"wandb sync --include-online {self.run.settings.sync_dir}"
            _note(f"Weights & Biases has not taken all of the run; `{command}` uploads the rest")


def start_tracking(execution: Execution, settings: Mapping[str, Any], main_process: bool = True) -> Tracker:
    """Start or resume the run `execution.tracking_id`; its files lie below `execution.tracking`.

    It is offline where there is no key, where the server does not answer and where it refuses; where wandb is not
    installed, nobody is told. Of all but the missing key a line on stderr says so.
    """
    if execution.tracking is None or not main_process:
        return NoTracker()
    try:
        import wandb
    except ImportError as error:
        _note(f"nothing goes to Weights & Biases ({error}); metrics.jsonl holds the figures")
        return NoTracker()
    execution.tracking.mkdir(parents=True, exist_ok=True)
    try:
        has_key = wandb.login(prompt=False, verify=False)
        run = _init(execution, settings, os.environ.get("WANDB_MODE") or ("online" if has_key else "offline"))
    except wandb.errors.CommError as error:
        wandb.teardown()  # else its service takes the run's id for one in use
        folder, reason = execution.tracking / "wandb", " ".join(str(error).split())
        _note(f"Weights & Biases: {reason}. The run is kept offline; `wandb sync {folder}` uploads it later")
        run = _init(execution, settings, "offline")
    return WandbTracker(run)


def _init(execution: Execution, settings: Mapping[str, Any], mode: Any) -> Any:
    import wandb

    labels = execution.tracking_labels
    return wandb.init(
        project=execution.tracking_project,
        entity=execution.tracking_entity,
        group=execution.tracking_group,
        name=execution.tracking_name,
        id=execution.tracking_id,
        tags=[str(labels[name])[:TAG_LENGTH] for name in TAGS if name in labels],
        resume="allow",
        dir=execution.tracking,
        config={**labels, **_place(execution), **settings},
        mode=mode,
        settings=wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            init_timeout=INIT_SECONDS,
            finish_timeout=FINISH_SECONDS,
            finish_timeout_raises=True,
        ),
    )


def _place(execution: Execution) -> dict[str, Any]:
    """Return where it runs and with which code."""
    return {
        "processes": int(os.environ.get("WORLD_SIZE", "1")),  # torchrun's
        "micro_batch": execution.micro_batch,
        "device": execution.device,
        "gpus": hardware()["gpus"],
        **git_state(),
    }


def _note(what: str) -> None:
    print(f"note: {what}", file=sys.stderr, flush=True)
