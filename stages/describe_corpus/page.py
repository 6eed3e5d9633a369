"""The corpus report as a page that needs nothing beside itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.shared.page.axis import axis
from stages.shared.page.environment import page_environment

TEMPLATES = Path(__file__).parent / "templates"
COLOURS = 8
LANGUAGES = 12
"""The most frequent of a mix; the others are one bar."""


@dataclass(frozen=True)
class Bar:
    """A bar, in per cent of the longest or of the whole."""

    label: str
    value: str
    width: float
    colour: int = 0


@dataclass(frozen=True)
class Columns:
    """A histogram: the height of each column in per cent, what stands below it now and then, and the axis."""

    title: str
    heights: list[float]
    told: list[str]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def render_page(found: Mapping[str, Any]) -> str:
    """Return the page."""
    reasons = sorted({reason for source in found["sources"] for reason in source["dropped"]})
    environment = page_environment(TEMPLATES)
    return environment.get_template("report.html.j2").render(
        found=found,
        reasons=reasons,
        fates=[fate(source, reasons) for source in found["sources"]],
        mix=shares(first(found["languages"], LANGUAGES)),
        licences=shares(found["licences"]),
        rules=shares({name: seconds for name, seconds in found["rule_seconds"].items() if seconds}),
        sizes=shares(found["near_duplicates"].get("sizes", {})),
        lengths=length_columns(found["lengths"]),
        scores=[score_columns(name, bins) for name, bins in found["scores"].items()],
    )


def fate(source: Mapping[str, Any], reasons: Sequence[str]) -> list[Bar]:
    """Return what became of a source's documents, as parts of one bar; colour 0 is what was kept."""
    whole = max(source["input_documents"], 1)
    parts = {"kept": source["kept"], **{reason: source["dropped"].get(reason, 0) for reason in reasons}}
    return [
        Bar(name, f"{count:,}", round(100 * count / whole, 3), number)
        for number, (name, count) in enumerate(parts.items())
        if count
    ]


def shares(counts: Mapping[str, float]) -> list[Bar]:
    """Return a bar for each count, the longest 100 wide, told as its share of all."""
    total, most = sum(counts.values()) or 1, max(counts.values(), default=0) or 1
    return [Bar(name, f"{100 * count / total:.1f} %", round(100 * count / most, 3)) for name, count in counts.items()]


def first(counts: Mapping[str, int], number: int) -> dict[str, int]:
    """Return so many of the counts, and the sum of the others.

    >>> first({"nl": 9, "de": 2, "en": 1}, 1)
    {'nl': 9, 'others': 3}
    """
    names = list(counts)
    others = sum(counts[name] for name in names[number:])
    return {name: counts[name] for name in names[:number]} | ({"others": others} if others else {})


def length_columns(bins: Sequence[Mapping[str, int]]) -> Columns:
    """Return the histogram of lengths, whose bins double."""
    told = [f"{bar['from']:,} to {bar['below'] - 1:,} words: {bar['documents']:,} documents" for bar in bins]
    labels = [(100 * place / len(bins), f"{bar['from']:,}") for place, bar in enumerate(bins)]
    return _columns("Words a document", bins, told, labels)


def score_columns(name: str, bins: Sequence[Mapping[str, float]]) -> Columns:
    """Return the histogram of one score, with five labels below it."""
    told = [f"{bar['from']:.3g} to {bar['below']:.3g}: {bar['documents']:,} documents" for bar in bins]
    labels = [(100 * place / len(bins), f"{bins[place]['from']:.3g}") for place in range(0, len(bins), 5)]
    return _columns(name, bins, told, [*labels, (100.0, f"{bins[-1]['below']:.3g}")])


def _columns(
    title: str, bins: Sequence[Mapping[str, float]], told: list[str], labels: list[tuple[float, str]]
) -> Columns:
    marks = axis(0, max((bar["documents"] for bar in bins), default=1))
    heights = [round(100 * bar["documents"] / marks[-1], 3) for bar in bins]
    ticks = [(round(100 * mark / marks[-1], 3), f"{mark:,.0f}") for mark in marks]
    return Columns(title, heights, told, labels, ticks)
