"""continue_pretraining: train a model on packed text."""

import json
import math
import resource
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from accelerate import Accelerator

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from pipeline.tracking import start_tracking
from stages.continue_pretraining.loop import Progress, SavedTraining, resume, train
from stages.continue_pretraining.settings import ContinuePretrainingSettings
from stages.shared.interruption import noted_signals
from stages.shared.model_folder import open_model, tensor_files, write_model
from stages.shared.token_mapping import FILES as MAPPING_FILES
from stages.shared.training.batches import make_share
from stages.shared.training.parameters import Group, make_groups, make_optimizer
from stages.shared.training.schedule import make_schedule
from stages.shared.training.settings import TrainingSettings, optimizer_steps
from stages.shared.training.setup import TrainingData, load_data, load_model, make_accelerator
from stages.shared.training.step import mean_loss

CHECKPOINTS, METRICS = "checkpoints", "metrics.jsonl"
WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json")
NOT_CARRIED = ("manifest.json", *MAPPING_FILES, METRICS, "training.json", *WEIGHT_FILES)
"""What describes the input artifact rather than the model."""


def continue_pretraining(
    settings: ContinuePretrainingSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write the trained model, metrics.jsonl (one line an optimizer step) and training.json.

    Goes on from the checkpoints that an interrupted run left in `out`.
    """
    began = perf_counter()
    accelerator = make_accelerator(settings.training, execution)
    model = load_model(inputs["model"], settings.training, accelerator.device)
    rows = model.get_input_embeddings().weight.shape[0]
    data = load_data(inputs["tokens"], settings.training, rows)
    training = prepare(settings.training, model, data, accelerator, out, execution)
    trained_weights(model, training.groups, inputs["model"])  # before hours are spent on what cannot be written
    progress, earlier = resume(training)
    resumed_at, started = progress.step, perf_counter()
    after = run(training, progress, earlier, data, out, execution)
    seconds = perf_counter() - started
    if accelerator.is_main_process:
        write_trained(training, inputs["model"], out)
        described = describe(training, progress, data, after)
        (out / "training.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(training.checkpoints, ignore_errors=True)
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


def prepare(
    settings: TrainingSettings,
    model: Any,
    data: TrainingData,
    accelerator: Accelerator,
    out: Path,
    execution: Execution,
) -> SavedTraining:
    """Put together what the loop needs, after removing from `out` all that a killed run left but its checkpoints."""
    share = make_share(
        settings.global_batch, execution.micro_batch, accelerator.process_index, accelerator.num_processes
    )
    groups = make_groups(model, settings)
    if accelerator.is_main_process:
        for path in sorted(out.iterdir()):
            if path.name != CHECKPOINTS:
                path.unlink()
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
    )


def run(
    training: SavedTraining, progress: Progress, earlier: str, data: TrainingData, out: Path, execution: Execution
) -> float | None:
    """Train; return the validation loss afterwards, None where none is wanted."""
    main = training.accelerator.is_main_process
    if data.validation is not None and main and progress.validation_loss is None:
        progress.validation_loss = mean_loss(training, data.validation)
    tracker = start_tracking(execution, training.schedule.settings.model_dump(mode="json"), main)
    # Only the first process writes; the others' lines go nowhere.
    place = out / METRICS if main else Path("/dev/null")
    with noted_signals() as interruption, place.open("w+", encoding="utf-8", newline="\n") as metrics:
        try:
            metrics.write(earlier)
            train(training, progress, metrics, tracker, interruption)
        finally:
            tracker.finish()
    return mean_loss(training, data.validation) if data.validation is not None and main else None


def trained_weights(model: Any, groups: Sequence[Group], source: Path) -> dict[str, torch.Tensor]:
    """Return the weights that are trained under the names of the tensors that hold them in the model's files.

    Raises UserError where one has no tensor of its name: transformers fuses the weights of some architectures (the
    experts of Mixtral) while loading, and they could not be written back.
    """
    files, trained = tensor_files(source), [name for group in groups for name in group.names]
    weights = dict(model.named_parameters(remove_duplicate=False))
    chosen = {id(weights[name]): name for name in trained}
    held = {name: weight for name, weight in weights.items() if id(weight) in chosen and name in files}
    homeless = set(chosen) - {id(weight) for weight in held.values()}
    if homeless:
        example = next(name for place, name in chosen.items() if place in homeless)
        raise UserError(
            f"{len(homeless)} trained weights, '{example}' among them, have no tensor of their name in {source}: "
            f"{type(model).__name__} is not supported. Train embeddings alone, or choose a Llama-like base model"
        )
    return held


def write_trained(training: SavedTraining, source: Path, out: Path) -> None:
    """Write the model folder: trained weights in the input's precision, everything else as it was."""
    folder = open_model(source)
    weights = trained_weights(training.model, training.groups, source)
    tables = {name: weight.detach().to("cpu", folder.read(name).dtype) for name, weight in weights.items()}
    write_model(folder, tables, out)
    for path in sorted(source.iterdir()):
        if path.is_file() and not any(path.match(pattern) for pattern in NOT_CARRIED):
            shutil.copyfile(path, out / path.name)


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
    """Return the held-out losses in nats a token, and in bits a byte by the held-out text's mean token length."""
    if data.validation is None or before is None or after is None:
        return None
    measured = data.meta["validation"]
    bits = measured["tokens"] / measured["bytes"] / math.log(2)
    return {
        "tokens": len(data.validation.tokens),
        "loss_before": before,
        "loss_after": after,
        "bits_per_byte_before": before * bits,
        "bits_per_byte_after": after * bits,
    }


def peak_memory_bytes() -> int:
    """Return the most memory that this process held, on the GPU where it has one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
