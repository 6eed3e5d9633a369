"""The leaderboard as HTML: a page of its own, and the same section for a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.shared.page.axis import axis
from stages.shared.page.environment import page_environment

TEMPLATES = Path(__file__).parent / "templates"
NAMES = {"own": "The corpus's own domain", "other": "Another domain"}
COLOURS = 8
PATTERNS = ("", " dashed", " dotted")
"""Of lines: once through the colours with each, so that 24 methods look different."""
LABEL_DISTANCE = 5.0
"""Per cent of the chart's height between two labels at the right end."""
CLIPPED_FROM = 0.6
"""Quantile of the beginnings above which lines leave the chart: one bad start must not flatten all others."""


@dataclass(frozen=True)
class Line:
    """One method's learning curve, in a square of 100 x 100 with y downwards."""

    name: str
    style: str
    """Its classes, from which it has colour and pattern."""
    points: str
    end: float
    label_place: float
    """Per cent from the top."""


@dataclass(frozen=True)
class Chart:
    """The learning curves of one domain."""

    title: str
    documents: int
    groups: int
    bytes: int
    lines: list[Line]
    y_ticks: list[tuple[float, str]]
    x_ticks: list[tuple[float, str]]


def render_page(found: Mapping[str, Any]) -> str:
    """Return the leaderboard as a page that needs nothing beside itself."""
    environment = page_environment(TEMPLATES)
    return environment.get_template("page.html.j2").render(found=found, section=render_section(found))


def render_section(found: Mapping[str, Any]) -> str:
    """Return the part of a page: claim, table, curves."""
    environment = page_environment(TEMPLATES)
    charts = [chart(found, domain) for domain in found["domains"]]
    return environment.get_template("section.html.j2").render(found=found, charts=charts, figures=figures)


def figures(row: Mapping[str, Any], domain: str) -> Mapping[str, Any]:
    """Return the figures of a row in one domain: marks, intervals, verdicts."""
    if domain == "own":
        return {**row["bits_per_byte"], **{key: value for key, value in row.items() if key != "bits_per_byte"}}
    other: Mapping[str, Any] = row["other_domain"]
    return other


def chart(found: Mapping[str, Any], domain: str) -> Chart:
    """Lay out the learning curves of one domain."""
    steps, marks = found["steps"], [*map(str, found["steps"][:-1]), "end"]
    curves = {row["method"]: [figures(row, domain)[mark] for mark in marks] for row in found["methods"]}
    values = np.array(list(curves.values()))
    low, high = float(values.min()), float(np.quantile(values[:, 0], CLIPPED_FROM))
    ticks = axis(low, max(high, float(values[:, -1].max())))
    low, high = ticks[0], ticks[-1]
    ends = spread([100 * (high - curve[-1]) / (high - low) for curve in curves.values()])
    lines = [
        Line(
            name,
            line_style(number),
            " ".join(
                f"{100 * step / steps[-1]:.2f},{100 * (high - value) / (high - low):.2f}"
                for step, value in zip(steps, curve, strict=True)
            ),
            curve[-1],
            place,
        )
        for number, ((name, curve), place) in enumerate(zip(curves.items(), ends, strict=True))
    ]
    size = found["domains"][domain]
    return Chart(
        NAMES[domain],
        size["documents"],
        size["groups"],
        size["bytes"],
        lines,
        [(round(100 * (tick - low) / (high - low), 2), f"{tick:g}") for tick in ticks],
        [(round(100 * step / steps[-1], 2), str(step)) for step in steps],
    )


def line_style(number: int) -> str:
    """Return the classes of a line by its number.

    >>> [line_style(number) for number in (0, 7, 8)]
    ['b0', 'b7', 'b0 dashed']
    """
    turn, colour = divmod(number, COLOURS)
    return f"b{colour}{PATTERNS[turn % len(PATTERNS)]}"


def spread(places: Sequence[float]) -> list[float]:
    """Move labels apart, from the lowest line upwards, so that none covers another.

    >>> spread([99.0, 98.0, 50.0])
    [99.0, 94.0, 50.0]
    """
    moved = dict.fromkeys(range(len(places)), 0.0)
    limit = 100.0
    for row in sorted(range(len(places)), key=lambda row: -places[row]):
        moved[row] = round(min(places[row], limit), 2)
        limit = moved[row] - LABEL_DISTANCE
    return [moved[row] for row in range(len(places))]
