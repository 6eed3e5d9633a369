"""trl's training as one of our steps: in several processes, going on from checkpoints, and stopped cleanly."""

import copy
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from pipeline.errors import UserError
from pipeline.stage import CHECKPOINTS, Execution
from pipeline.tracking import start_tracking
from stages.shared.interruption import noted_signals
from stages.shared.saving_clock import SavingClock
from stages.shared.training.sharding import shard
from stages.shared.training.stopping import stopped
from stages.tune_instructions.chat import Chat
from stages.tune_instructions.data import Data
from stages.tune_instructions.model import load
from stages.tune_instructions.processes import is_sharded
from stages.tune_instructions.progress import Progress, newest_checkpoint
from stages.tune_instructions.settings import SftSettings, TuneInstructionsSettings
from stages.tune_instructions.trainers import Place, dpo_trainer, sft_trainer

METRICS = "metrics.jsonl"
SHARDED_WEIGHTS = "pytorch_model_fsdp.bin"
"""transformers' file in a checkpoint of a sharded training: whole weights, that a training on its own does not read."""


def train(
    settings: TuneInstructionsSettings,
    loaded: tuple[Any, Any, Chat],
    data: Data,
    folders: tuple[Path, Path],
    accelerator: Accelerator,
    execution: Execution,
) -> dict[str, Any]:
    """Train; return the weights by name, and steps, tokens and seconds. `folders` are the model's and the output's.

    The first process alone writes; the weights are DTensors where they share the model. Raises UserError where a signal
    asked for a stop, once the state is saved (OutOfTime where it was a scheduler's).
    """
    tuning, (source, out), main = settings.tuning, folders, accelerator.is_main_process
    resumed = _agreed_checkpoint(out / CHECKPOINTS, accelerator)
    tracker = start_tracking(execution, settings.model_dump(mode="json"), main)
    began = perf_counter()
    with noted_signals() as interruption:
        clock = SavingClock(execution.checkpoint_seconds, execution.checkpoint_pause_factor)
        callback = Progress(out / METRICS if main else None, tracker, (accelerator, interruption), clock)
        place = Place(out / CHECKPOINTS, accelerator, execution, callback)
        try:
            trainer = _make_trainer(settings, loaded, data, source, place)
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        finally:
            callback.close()
            tracker.finish()
    state = trainer.state
    if state.global_step < state.max_steps:
        done = state.global_step, state.max_steps
        raise stopped("tuning", interruption, callback.time_is_up, done, out / CHECKPOINTS)
    trained: Any = trainer.model if tuning.lora is None else trainer.model.merge_and_unload()
    return {
        "weights": dict(trained.named_parameters(remove_duplicate=False)),
        "steps": state.global_step,
        "tokens": state.log_history[-1]["tokens"],
        "loss": state.log_history[-1]["loss"],
        "resumed_at_step": int(resumed.name.rpartition("-")[2]) if resumed else 0,
        "training_seconds": round(perf_counter() - began, 3),
    }


def _agreed_checkpoint(folder: Path, accelerator: Accelerator) -> Path | None:
    """Return the newest checkpoint that the first process finds sound; it alone reads and removes the torn ones.

    Raises UserError where it is one of a sharded training and this is none, or the other way round.
    """
    found = [newest_checkpoint(folder) if accelerator.is_main_process and folder.is_dir() else None]
    broadcast_object_list(found, from_process=0)
    if found[0] and (found[0] / SHARDED_WEIGHTS).is_file() != is_sharded(accelerator):
        was = "on its own in each process" if is_sharded(accelerator) else "shared by its processes"
        remedy = "none" if is_sharded(accelerator) else "full and several processes"
        raise UserError(
            f"in the checkpoint {found[0]} the model is {was}; go on with cluster.sharding={remedy}, or remove "
            f"{folder} to begin anew"
        )
    return found[0]


def _make_trainer(
    settings: TuneInstructionsSettings, loaded: tuple[Any, Any, Chat], data: Data, source: Path, place: Place
) -> Any:
    """Return trl's trainer; a tokenizer of its own, since trl changes it."""
    tuning, (model, tokenizer, chat) = settings.tuning, (loaded[0], copy.deepcopy(loaded[1]), loaded[2])
    accelerator = place.accelerator
    if is_sharded(accelerator):
        shard(model, tuning.precision, accelerator)
    if isinstance(tuning, SftSettings):
        trainer: Any = sft_trainer((model, tokenizer, chat), data.train, tuning, place)
    else:
        reference = load(source, accelerator.device)[0] if tuning.lora is None else None
        if reference is not None and is_sharded(accelerator):
            shard(reference, tuning.precision, accelerator)
        trainer = dpo_trainer((model, reference), tokenizer, data.train, tuning, place)
    if is_sharded(accelerator) and tuning.precision == "bfloat16":
        for each in (trainer.model, getattr(trainer, "ref_model", None)):
            if each is not None:  # what Accelerate does itself where the model is whole
                each.forward = torch.autocast(accelerator.device.type, torch.bfloat16)(each.forward)
    return trainer
