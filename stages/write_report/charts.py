"""Geometry of the charts: what the templates draw, in per cent of the drawing area."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.shared.page.axis import axis
from stages.write_report.systems import System

SMOOTHED_FROM = 60
"""Steps from which on a moving average is drawn over the single steps."""
DRAWN_POINTS = 1500
"""Points a line at most; more could not be told apart and would only make the page heavy."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    place: float
    """Per cent of the axis, from its beginning."""
    label: str


@dataclass(frozen=True)
class Bar:
    """One system's bits per byte."""

    system: str
    label: str
    value: float
    interval: tuple[float, float] | None
    width: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """One system's training loss."""

    system: str
    label: str
    points: str
    """Coordinates of the single steps for an SVG polyline, in a square of 100 x 100 with y downwards."""
    smooth: str
    """The moving average, empty for a short training."""
    first: float
    last: float


@dataclass(frozen=True)
class LossChart:
    """The training losses over the share of the text that was seen."""

    lines: list[Line]
    y_ticks: list[Tick]
    x_ticks: list[Tick]


def bars(systems: Sequence[dict[str, Any]], labels: dict[str, str]) -> tuple[list[Bar], list[Tick]]:
    """Return a bar for each entry of results.json, from zero, and the ticks of their axis."""
    tops = [system["bits_per_byte_high"] or system["bits_per_byte"] for system in systems]
    marks = axis(0, max(tops))
    scale = 100 / marks[-1]
    found = []
    for system in systems:
        value, low, high = (system[f"bits_per_byte{end}"] for end in ("", "_low", "_high"))
        ends = None if low is None or high is None else (low, high)
        left, right = ends or (value, value)
        drawn = (round(place * scale, 3) for place in (value, left, right))
        found.append(Bar(system["name"], labels[system["name"]], value, ends, *drawn))
    return found, [Tick(round(mark * scale, 3), f"{mark:g}") for mark in marks]


def bits_per_byte_curve(system: System) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of the training text seen, in per cent, and the loss there in bits per byte.

    A loss per token cannot be compared between tokenizers; it is divided by the bytes a token of the held-out text.
    """
    tokens = np.array([entry["tokens"] for entry in system.curve], dtype=np.float64)
    loss = np.array([entry["loss"] for entry in system.curve], dtype=np.float64)
    tokens_per_byte = system.evaluation["tokens"] / system.evaluation["bytes"]
    return 100 * tokens / tokens[-1], loss * tokens_per_byte / math.log(2)


def loss_chart(systems: Sequence[System]) -> LossChart | None:
    """Return the chart of all systems that were trained for at least two steps, None where there is none."""
    curves = {system.name: bits_per_byte_curve(system) for system in systems if len(system.curve) > 1}
    if not curves:
        return None
    drawn = [system for system in systems if system.name in curves]
    values = np.concatenate([curve[1] for curve in curves.values()])
    marks = axis(float(values.min()), float(values.max()))
    low, span = marks[0], marks[-1] - marks[0]

    def place(x: np.ndarray, y: np.ndarray) -> str:
        kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), DRAWN_POINTS)).round().astype(int))
        return " ".join(f"{x[row]:.2f},{100 - 100 * (y[row] - low) / span:.2f}" for row in kept)

    lines = []
    for system in drawn:
        x, y = curves[system.name]
        smooth = moving_average(y) if len(y) >= SMOOTHED_FROM else None
        ends = (y if smooth is None else smooth)[[0, -1]]
        average = "" if smooth is None else place(x, smooth)
        lines.append(Line(system.name, system.label, place(x, y), average, float(ends[0]), float(ends[1])))
    y_ticks = [Tick(round(100 * (mark - low) / span, 3), f"{mark:g}") for mark in marks]
    return LossChart(lines, y_ticks, [Tick(share, f"{share} %") for share in (0, 25, 50, 75, 100)])


def moving_average(values: np.ndarray) -> np.ndarray:
    """Return the centred mean over a twentieth of the values, over fewer towards the ends."""
    reach = max(1, len(values) // 40)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    left = np.maximum(np.arange(len(values)) - reach, 0)
    right = np.minimum(np.arange(len(values)) + reach + 1, len(values))
    averages: np.ndarray = (sums[right] - sums[left]) / (right - left)
    return averages


def differences(comparisons: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Tick]]:
    """Return the comparisons with the places of their interval on one axis that holds 0, and its ticks."""
    ends = [0.0]
    for entry in comparisons:
        low, high = entry["difference_low"], entry["difference_high"]
        ends += [entry["difference"]] if low is None else [low, high]
    marks = axis(min(ends), max(ends))
    low, span = marks[0], (marks[-1] - marks[0]) or 1.0

    def place(value: float) -> float:
        return round(100 * (value - low) / span, 3)

    rows = []
    for entry in comparisons:
        left = entry["difference"] if entry["difference_low"] is None else entry["difference_low"]
        right = entry["difference"] if entry["difference_high"] is None else entry["difference_high"]
        places = {"place": place(entry["difference"]), "place_low": place(left), "place_high": place(right)}
        rows.append({**entry, **places})
    return rows, [Tick(place(mark), f"{mark:+g}".replace("-", "−") if mark else "0") for mark in marks]
