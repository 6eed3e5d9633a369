"""What is done to mapped tables with text of the new language: a calibration, a warm-up, both or neither."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from pipeline.stage import Execution
from stages.map_embeddings.calibrate_tables import calibrate
from stages.map_embeddings.settings import MapEmbeddingsSettings, UnigramCalibration
from stages.map_embeddings.warm_up import Weights, warm_up
from stages.shared.model_folder import ModelFolder


@dataclass(frozen=True)
class Fitted:
    """Tables, what was done to them and what it took."""

    tables: Weights
    figures: dict[str, Any]
    seconds: dict[str, float]
    """By part; one without a warm-up has none for it."""


def fit_tables(
    tables: Weights,
    model: ModelFolder,
    settings: MapEmbeddingsSettings,
    inputs: Mapping[str, Path],
    execution: Execution,
) -> Fitted:
    """Return the tables calibrated and then warmed up, as far as the settings say so.

    In this order, as in the only trial that gained anything; the other order was tried at one, higher learning rate
    alone, where neither gained (docs/experiments.md).
    """
    figures: dict[str, Any] = {"calibration": settings.calibration.method}
    seconds: dict[str, float] = {}
    began = perf_counter()
    if isinstance(settings.calibration, UnigramCalibration):
        tables, found = calibrate(tables, model, settings.calibration, inputs, execution.device)
        figures |= named("calibration", found)
    calibrated = perf_counter()
    seconds["calibration"] = calibrated - began
    if settings.mapping.warmup == "distill":
        tables, found = warm_up(tables, model, settings.distillation, inputs, execution.device)
        figures |= {"warmup": settings.mapping.warmup, **named("warmup", found)}
        seconds["warmup"] = perf_counter() - calibrated
    return Fitted(tables, figures, seconds)


def named(part: str, figures: Mapping[str, float]) -> dict[str, float]:
    """Return figures with the part's name before theirs, rounded."""
    return {f"{part}_{name}": round(value, 6) for name, value in figures.items()}
