"""continue_pretraining: train a model on packed text."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from accelerate import Accelerator

from pipeline.errors import UserError
from pipeline.stage import CHECKPOINTS, Execution, Metrics
from pipeline.tracking import start_tracking
from stages.continue_pretraining.checkpoints import remove_leftovers
from stages.continue_pretraining.journal import Journal
from stages.continue_pretraining.loop import Progress, SavedTraining, resume, train
from stages.continue_pretraining.settings import ContinuePretrainingSettings
from stages.continue_pretraining.speed import peak_memory_bytes
from stages.continue_pretraining.watcher import Watcher, make_watcher
from stages.shared.artifact import write_json
from stages.shared.carried_files import carry_over
from stages.shared.interruption import noted_signals
from stages.shared.leftovers import keep_checkpoints_only
from stages.shared.model_folder import open_model, tensor_files, write_model
from stages.shared.training.acceleration import accelerate_model, is_sent_weights
from stages.shared.training.adapters import add_adapters, file_name, merge_adapters, plain_weights
from stages.shared.training.frozen import round_frozen
from stages.shared.training.masking import MaskedBlocks
from stages.shared.training.optimizers import make_optimizer
from stages.shared.training.parameters import Group, make_groups
from stages.shared.training.schedule import make_schedule
from stages.shared.training.settings import TrainingSettings, optimizer_steps
from stages.shared.training.setup import TrainingData, hide_tokens, load_data, load_model, make_accelerator
from stages.shared.training.sharding import whole
from stages.shared.training.share import make_share
from stages.shared.training.step import mean_loss


def continue_pretraining(
    settings: ContinuePretrainingSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write the trained model, metrics.jsonl (one line an optimizer step) and training.json.

    Where the training is watched, held_out.jsonl and samples.jsonl as well: how it does on the texts of the inputs
    `held_out_target`, `held_out_source` and `held_out_other`, each of which may be missing, and how it continues the
    prompts. Goes on from the checkpoints that an interrupted run left in `out`.
    """
    began = perf_counter()
    accelerator = make_accelerator(settings.training.precision, settings.training.threads, execution)
    place = Place(out, accelerator, execution)
    training, data = set_up(settings.training, inputs, place)
    progress, earlier = resume(training)
    resumed_at, started = progress.step, perf_counter()
    after = run(training, progress, data, make_journal(settings.training, place, earlier))
    seconds = perf_counter() - started
    write_trained(training, inputs["model"], out)
    if accelerator.is_main_process:
        write_json(out / "training.json", describe(training, progress, data, after))
    accelerator.wait_for_everyone()
    accelerator.end_training()
    trained = training.total_tokens - training.tokens_after(resumed_at)
    return {
        "tokens": training.total_tokens,
        "steps": training.schedule.steps,
        "tokens_per_s": round(trained / seconds, 2),
        "loss": progress.last_loss,
        "skipped_steps": progress.skipped,
        "peak_memory_gb": round(peak_memory_bytes() / 1e9, 3),
        "device": accelerator.device.type,
        "processes": accelerator.num_processes,
        "resumed_at_step": resumed_at,
        "seconds": round(perf_counter() - began, 3),
    }


@dataclass(frozen=True)
class Place:
    """Where a training runs and writes."""

    out: Path
    accelerator: Accelerator
    execution: Execution


def set_up(settings: TrainingSettings, inputs: Mapping[str, Path], place: Place) -> tuple[SavedTraining, TrainingData]:
    """Load model and data and put together what the loop needs, and check it."""
    # Into main memory: what will be sharded need not fit any one device whole, and what is rounded takes half the room.
    hollow = is_sent_weights(place.accelerator, place.execution)
    model = load_model(inputs["model"], settings, torch.device("cpu"), hollow)
    add_adapters(model, settings.adapter, settings.seed)
    data = load_data(inputs["tokens"], settings, rows=model.get_input_embeddings().weight.shape[0])
    if settings.objective == "masked":
        data = hide_tokens(data, inputs["model"], settings.seed)
    watcher = make_watcher(inputs, settings)
    training = prepare(settings, model, data, watcher, place)
    trained_weights(model, training.groups, inputs["model"])  # before hours are spent on what cannot be written
    if training.sharded is not None and watcher.writes and training.accelerator.is_main_process:
        print("no samples of text: they would need the whole model, and cluster.sharding=full", file=sys.stderr)
    return training, data


def make_journal(settings: TrainingSettings, place: Place, earlier: Mapping[str, str]) -> Journal:
    """Return the journal of the training, begun with what an interrupted run had written.

    The first process alone writes.
    """
    main, execution = place.accelerator.is_main_process, place.execution
    tracker = start_tracking(execution, {"training": settings.model_dump(mode="json")}, main)
    return Journal(place.out if main else None, execution.logs, earlier, tracker)


def prepare(
    settings: TrainingSettings, model: Any, data: TrainingData, watcher: Watcher, place: Place
) -> SavedTraining:
    """Put together what the loop needs, after removing from `out` all that a killed run left but its checkpoints."""
    out, accelerator, execution = place.out, place.accelerator, place.execution
    share = make_share(
        settings.global_batch, execution.micro_batch, accelerator.process_index, accelerator.num_processes
    )
    sharded = accelerate_model(model, settings, accelerator, execution)
    groups = make_groups(model, settings)
    if sharded is None:
        if settings.precision == "bfloat16":  # sharded weights are gathered rounded anyway
            round_frozen(model, groups)
        model.to(accelerator.device)
    if accelerator.is_main_process:
        keep_checkpoints_only(out)
        remove_leftovers(out / CHECKPOINTS)
    return SavedTraining(
        accelerator=accelerator,
        model=model,
        groups=groups,
        optimizer=make_optimizer(model, groups, settings),
        schedule=make_schedule(settings, optimizer_steps(len(data.train.tokens), settings)),
        data=data.train,
        share=share,
        checkpoints=out / CHECKPOINTS,
        checkpoint_seconds=execution.checkpoint_seconds,
        checkpoint_pause_factor=execution.checkpoint_pause_factor,
        sharded=sharded,
        kept_checkpoints=execution.kept_checkpoints,
        watcher=watcher,
        peak_flops_per_second=execution.peak_flops_per_second,
    )


def run(training: SavedTraining, progress: Progress, data: TrainingData, journal: Journal) -> float | None:
    """Train; return the validation loss afterwards, None where none is wanted."""
    with noted_signals() as interruption, journal:
        if data.validation is not None and training.measures and progress.validation_loss is None:
            progress.validation_loss = mean_loss(training, data.validation)
        with training.feeder:
            train(training, progress, journal, interruption)
    return mean_loss(training, data.validation) if data.validation is not None and training.measures else None


def trained_weights(model: Any, groups: Sequence[Group], source: Path) -> dict[str, torch.Tensor]:
    """Return the weights that are trained under the names of the tensors that hold them in the model's files.

    Raises UserError where one has no tensor of its name: transformers fuses the weights of some architectures (the
    experts of Mixtral) while loading, and they could not be written back.
    """
    files, trained = tensor_files(source), {file_name(name) for group in groups for name in group.names}
    weights = plain_weights(model)
    chosen = {id(weights[name]): name for name in sorted(trained)}
    held: dict[str, torch.Tensor] = {
        name: weight for name, weight in weights.items() if id(weight) in chosen and name in files
    }
    homeless = set(chosen) - {id(weight) for weight in held.values()}
    if homeless:
        example = next(name for place, name in chosen.items() if place in homeless)
        raise UserError(
            f"{len(homeless)} trained weights, '{example}' among them, have no tensor of their name in {source}: "
            f"{type(model).__name__} is not supported. Train embeddings alone, or choose a Llama-like base model"
        )
    return held


def write_trained(training: SavedTraining, source: Path, out: Path) -> None:
    """Write the model folder: trained weights in the input's precision, adapters merged, everything else as it was.

    The first process writes; where the weights are spread over all processes, the others send it theirs.
    """
    folder = open_model(source)
    main = training.accelerator.is_main_process
    if main:
        merge_adapters(training.model, folder.read)
    weights = whole(trained_weights(training.model, training.groups, source), keep=main)
    if not main:
        return
    tables = {name: weight.detach().to("cpu", folder.read(name).dtype) for name, weight in weights.items()}
    write_model(folder, tables, out)
    carry_over(source, out)


def describe(training: SavedTraining, progress: Progress, data: TrainingData, after: float | None) -> dict[str, Any]:
    """Return the content of training.json."""
    weights, schedule = dict(training.model.named_parameters()), training.schedule
    phases = [
        {
            "name": phase.name,
            "train": phase.train,
            "steps": schedule.ends[number] - schedule.begin(number),
            "tokens": training.tokens_after(schedule.ends[number]) - training.tokens_after(schedule.begin(number)),
            "parameters": sum(
                weights[name].numel() for group in training.groups if number in group.phases for name in group.names
            ),
        }
        for number, phase in enumerate(schedule.settings.phases)
    ]
    return {
        "tokens": training.total_tokens,
        "steps": schedule.steps,
        "skipped_steps": progress.skipped,
        "parameters": sum(weight.numel() for weight in weights.values()),
        "phases": phases,
        "loss": {"first": progress.first_loss, "last": progress.last_loss},
        "validation": validation_figures(data, progress.validation_loss, after),
    }


def validation_figures(data: TrainingData, before: float | None, after: float | None) -> dict[str, Any] | None:
    """Return the held-out losses in nats a token, and in bits a byte by the held-out text's mean token length.

    There are no bits a byte of the masked objective, which predicts a part of the text alone. None: not finite.
    """
    if data.validation is None or before is None or after is None:
        return None
    figures = {"loss_before": before, "loss_after": after}
    if not isinstance(data.validation, MaskedBlocks):
        measured = data.meta["validation"]
        bits = measured["tokens"] / measured["bytes"] / math.log(2)
        figures |= {"bits_per_byte_before": before * bits, "bits_per_byte_after": after * bits}
    known = {name: value if math.isfinite(value) else None for name, value in figures.items()}
    return {"tokens": len(data.validation.tokens), **known}
