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
    environment = page_environment(TEMPLATES)
    return environment.get_template("report.html.j2").render(
        found=found,
        **fates(found["sources"], "input_documents"),
        mix=shares(first(found["languages"], LANGUAGES)),
        licences=shares(found["licences"]),
        rules=shares({name: seconds for name, seconds in found["rule_seconds"].items() if seconds}),
        sizes=shares(found["near_duplicates"].get("sizes", {})),
        lengths=length_columns(found["lengths"]),
        scores=[score_columns(name, bins) for name, bins in found["scores"].items()],
        pairs=bitext_values(found["bitext"]) if found["bitext"] else None,
    )


def bitext_values(bitext: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the bitext's part of the page shows: fates, licences, and histograms of both sides and directions."""
    directions = {"target_by_source": "target / source", "source_by_target": "source / target"}
    return {
        **fates(bitext["sources"], "pairs"),
        "licences": shares(bitext["licences"]),
        "lengths": [
            _doubling(f"Words of the {side} side", bins, "words", "pairs", "documents")
            for side, bins in bitext["lengths"].items()
        ],
        "ratios": [
            ratio_columns(f"{unit.capitalize()}, {told}", bitext["ratios"][unit][name]["bins"])
            for unit in ("words", "characters")
            for name, told in directions.items()
        ],
        "repeats": [
            _doubling(f"{name.replace('_', ' ').capitalize()}", bins, "pairs", "texts", "texts")
            for name, bins in bitext["repeats"].items()
        ],
        "alignment": [
            score_columns(f"Mean score of the {side} words", bitext["alignment"][f"{side}_words"], "pairs")
            for side in (("target", "source") if "alignment" in bitext else ())
        ],
    }


def fates(sources: Sequence[Mapping[str, Any]], input_key: str) -> dict[str, Any]:
    """Return all reasons, and for each source the parts of its bar."""
    reasons = sorted({reason for source in sources for reason in source["dropped"]})
    return {"reasons": reasons, "fates": [fate(source, reasons, input_key) for source in sources]}


def fate(source: Mapping[str, Any], reasons: Sequence[str], input_key: str) -> list[Bar]:
    """Return what became of a source's documents or pairs, as parts of one bar; colour 0 is what was kept."""
    whole = max(source[input_key], 1)
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
    """Return the histogram of documents by their lengths."""
    return _doubling("Words a document", bins, "words", "documents", "documents")


def ratio_columns(title: str, bins: Sequence[Mapping[str, float]]) -> Columns:
    """Return the histogram of pairs by a ratio of their sides, with a label at each doubling."""
    told = [f"{bar['from']:g} to {bar['below']:g}: {bar['pairs']:,} pairs" for bar in bins]
    step = len(bins) // 6
    labels = [(100 * place / len(bins), f"{bins[place]['from']:g}") for place in range(0, len(bins), step)]
    return _columns(title, [bar["pairs"] for bar in bins], told, [*labels, (100.0, f"{bins[-1]['below']:g}")])


def _doubling(title: str, bins: Sequence[Mapping[str, int]], unit: str, counted: str, key: str) -> Columns:
    """Return a histogram whose bins double; `key` is what the bins call their count of what is `counted`."""
    told = [f"{bar['from']:,} to {bar['below'] - 1:,} {unit}: {bar[key]:,} {counted}" for bar in bins]
    labels = [(100 * place / len(bins), f"{bar['from']:,}") for place, bar in enumerate(bins)]
    return _columns(title, [bar[key] for bar in bins], told, labels)


def score_columns(name: str, bins: Sequence[Mapping[str, float]], counted: str = "documents") -> Columns:
    """Return the histogram of one score of documents or pairs, with five labels below it."""
    told = [f"{bar['from']:.3g} to {bar['below']:.3g}: {bar[counted]:,} {counted}" for bar in bins]
    labels = [(100 * place / len(bins), f"{bins[place]['from']:.3g}") for place in range(0, len(bins), 5)]
    ends = [*labels, (100.0, f"{bins[-1]['below']:.3g}")]
    return _columns(name, [bar[counted] for bar in bins], told, ends)


def _columns(title: str, counts: Sequence[float], told: list[str], labels: list[tuple[float, str]]) -> Columns:
    marks = axis(0, max(counts, default=1))
    heights = [round(100 * count / marks[-1], 3) for count in counts]
    ticks = [(round(100 * mark / marks[-1], 3), f"{mark:,.0f}") for mark in marks]
    return Columns(title, heights, told, labels, ticks)
