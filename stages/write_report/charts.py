"""Geometry of the charts: what the templates draw, in per cent of the drawing area."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.shared.page.axis import axis
from stages.shared.page.plot import Curve, Plot, Tick, make_plot
from stages.write_report.systems import System

SMOOTHED_FROM = 60
"""Steps from which on a moving average is drawn over the single steps."""
X_TITLE = "share of the training text seen"
X_MARKS = tuple((float(share), f"{share} %") for share in (0, 25, 50, 75, 100))
"""The axis of what is drawn over a training: one text has different numbers of tokens for different tokenizers."""


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


def loss_chart(systems: Sequence[System]) -> Plot | None:
    """Return the chart of all systems that were trained for at least two steps, None where there is none."""
    curves = []
    for system in systems:
        if len(system.curve) > 1:
            x, y = bits_per_byte_curve(system)
            smooth = moving_average(y) if len(y) >= SMOOTHED_FROM else None
            curves.append(Curve(system.name, system.label, x, y, smooth))
    return make_plot("Training loss", curves, X_MARKS, X_TITLE) if curves else None


def held_out_charts(systems: Sequence[System], names: Mapping[str, str]) -> list[Plot]:
    """Return a chart for each watched text, in the order of `names`, which says what each is called.

    A system has a line where it was looked at twice. Its training's last look is after its last token.
    """
    charts = []
    for text, name in names.items():
        curves = []
        for system in systems:
            looks = [look for look in system.looks if look["text"] == text and look["bits_per_byte"] is not None]
            if len(looks) > 1:
                tokens = np.array([look["tokens"] for look in looks], dtype=np.float64)
                bits = np.array([look["bits_per_byte"] for look in looks], dtype=np.float64)
                curves.append(Curve(system.name, system.label, 100 * tokens / system.tokens_trained, bits))
        if curves:
            charts.append(make_plot(name, curves, X_MARKS, X_TITLE))
    return charts


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
