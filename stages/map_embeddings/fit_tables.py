"""Tables from a mapping, and what is done to them with text of the new language: a calibration, a warm-up."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from pipeline.stage import Execution
from stages.map_embeddings.calibrate_tables import calibrate
from stages.map_embeddings.initialization import Initialization
from stages.map_embeddings.prior import lean
from stages.map_embeddings.settings import MapEmbeddingsSettings, UnigramCalibration
from stages.map_embeddings.tables import TableMaker
from stages.map_embeddings.untrained_reading import open_reading
from stages.map_embeddings.warm_up import Weights, warm_up


@dataclass(frozen=True)
class Fitted:
    """Tables, the mapping that they are of, what was done to them and what it took."""

    initialization: Initialization
    tables: Weights
    figures: dict[str, Any]
    seconds: dict[str, float]
    """By part; one without a warm-up has none for it."""


def fit_tables(
    mapped: Initialization,
    maker: TableMaker,
    settings: MapEmbeddingsSettings,
    inputs: Mapping[str, Path],
    execution: Execution,
) -> Fitted:
    """Return the mapping's tables, calibrated and then warmed up as far as the settings say so.

    In this order, as in the only trial that gained anything; the other order was tried at one, higher learning rate
    alone, where neither gained (docs/experiments.md).
    """
    calibration, began = settings.calibration, perf_counter()
    figures: dict[str, Any] = {"calibration": calibration.method}
    if isinstance(calibration, UnigramCalibration):
        reading = open_reading(maker.model, calibration, inputs, execution.device)
        leant = lean(mapped, maker, reading, calibration)
        mapped, made = leant.initialization, perf_counter()
        tables, found = calibrate(leant.tables, leant.states, reading, calibration)
        figures |= named("prior", leant.figures) | named("calibration", found)
    else:
        tables, made = maker.make(mapped), perf_counter()
    seconds = {"tables": made - began, "calibration": perf_counter() - made}
    if settings.mapping.warmup == "distill":
        began = perf_counter()
        tables, found = warm_up(tables, maker.model, settings.distillation, inputs, execution.device)
        figures |= {"warmup": settings.mapping.warmup, **named("warmup", found)}
        seconds["warmup"] = perf_counter() - began
    return Fitted(mapped, tables, figures, seconds)


def named(part: str, figures: Mapping[str, float]) -> dict[str, float]:
    """Return figures with the part's name before theirs, rounded."""
    return {f"{part}_{name}": round(value, 6) for name, value in figures.items()}
