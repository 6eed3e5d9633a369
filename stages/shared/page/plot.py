"""Curves as plot.j2 draws them: places in per cent of the drawing area."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.shared.page.axis import axis

DRAWN_POINTS = 1500
"""Points a line at most; more could not be told apart and would only make the page heavy."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    place: float
    """Per cent of the axis, from its beginning."""
    label: str


@dataclass(frozen=True)
class Curve:
    """What one line shows."""

    style: str
    """Its class, from which it has its colour."""
    label: str
    x: np.ndarray
    y: np.ndarray
    smooth: np.ndarray | None = None
    """A moving average of y, to be drawn over it."""


@dataclass(frozen=True)
class Line:
    """One curve as it is drawn."""

    style: str
    label: str
    points: str
    """Coordinates for an SVG polyline, in a square of 100 x 100 with y downwards."""
    smooth: str
    """The moving average; empty where there is none."""
    first: float
    last: float


@dataclass(frozen=True)
class Plot:
    """Several curves over the same axes."""

    name: str
    """What the curves show, for who cannot see them."""
    lines: list[Line]
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    x_title: str

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Each style with its label, once: several seeds of one training look the same."""
        return list(dict.fromkeys((line.style, line.label) for line in self.lines))


def make_plot(name: str, curves: Sequence[Curve], x_marks: Sequence[tuple[float, str]], x_title: str) -> Plot:
    """Lay out curves over an axis from 0 to the last of `x_marks`; of the y axis only the part that they need."""
    values = np.concatenate([curve.y for curve in curves])
    y_marks = axis(float(values.min()), float(values.max()))
    low, span, width = y_marks[0], y_marks[-1] - y_marks[0], x_marks[-1][0]

    def place(x: np.ndarray, y: np.ndarray) -> str:
        kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), DRAWN_POINTS)).round().astype(int))
        return " ".join(f"{100 * x[row] / width:.2f},{100 - 100 * (y[row] - low) / span:.2f}" for row in kept)

    lines = []
    for curve in curves:
        ends = (curve.y if curve.smooth is None else curve.smooth)[[0, -1]]
        average = "" if curve.smooth is None else place(curve.x, curve.smooth)
        lines.append(Line(curve.style, curve.label, place(curve.x, curve.y), average, float(ends[0]), float(ends[1])))
    y_ticks = [Tick(round(100 * (mark - low) / span, 3), f"{mark:g}") for mark in y_marks]
    return Plot(name, lines, y_ticks, [Tick(round(100 * mark / width, 3), label) for mark, label in x_marks], x_title)
