"""compare_training: the adapted model against the source model, over the text seen and over the operations spent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.stage import Execution, Metrics
from stages.compare_training.comparison import AXES, change, compare
from stages.compare_training.page import render_page
from stages.compare_training.settings import CompareTrainingSettings
from stages.compare_training.trainings import SYSTEMS, TrainedModel, read_trainings
from stages.compare_training.words import claims
from stages.shared.artifact import run_id, write_json
from stages.shared.held_out_text import read_texts

TEXTS = ("target", "other", "source")
PREFIX = "held_out_"


def compare_training(
    settings: CompareTrainingSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write training_curves.json for programs, and report.html for people."""
    trainings = list(read_trainings(settings.variants, settings.training, inputs))
    texts = {
        text: read_texts(inputs[f"{PREFIX}{text}"])
        for text in TEXTS
        if any(text in training.curves for training in trainings)
    }
    found = describe(settings, trainings, run_id(out)) | {
        "texts": {
            text: {"documents": len(documents), "bytes": sum(len(document.encode()) for document in documents)}
            for text, documents in texts.items()
        }
    }
    found["claims"] = claims(found)
    write_json(out / "training_curves.json", found)
    (out / "report.html").write_text(render_page(found), encoding="utf-8")
    return {"claims": found["claims"]}


def describe(settings: CompareTrainingSettings, trainings: list[TrainedModel], run: str) -> dict[str, Any]:
    """Return what training_curves.json holds, but for the texts and the claims."""
    level = settings.confidence
    groups = [[one for one in trainings if one.replay == variant.replay] for variant in settings.variants]
    compared = [compare(group, text, axis, level) for text in TEXTS for group in groups for axis in AXES]
    changed = [change(group, system, text, level) for text in TEXTS for group in groups for system in SYSTEMS]
    return {
        "run": run,
        "language": settings.language_name,
        "source_code": settings.source_code,
        "base_model": settings.base_model_name,
        "schedule": ", ".join(settings.training.schedules),
        "confidence": level,
        "variants": [variant.model_dump(mode="json") for variant in settings.variants],
        "comparisons": [entry for entry in compared if entry],
        "changes": [entry for entry in changed if entry],
        "trainings": [described(training) for training in trainings],
    }


def described(training: TrainedModel) -> dict[str, Any]:
    """Return one training's curves."""
    curves = {
        text: {
            "bytes": curve.bytes.round(1).tolist(),
            "flops": curve.flops.tolist(),
            "bits_per_byte": curve.bits_per_byte.tolist(),
        }
        for text, curve in training.curves.items()
    }
    return {
        "system": training.system,
        "replay": training.replay,
        "seed": training.seed,
        "tokens": training.tokens,
        "curves": curves,
    }
