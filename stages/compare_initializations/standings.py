"""From learning curves to the rows of leaderboard.json."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.compare_initializations.curves import (
    Curve,
    Draws,
    bits_per_byte,
    draw,
    interval,
    mean_height,
    resampled,
    shared_seeds,
    steps_to_reach,
)
from stages.compare_initializations.rivals import Entry
from stages.compare_initializations.settings import ComparisonSettings

DOMAINS = ("own", "other")
YARDSTICK = "subtoken_mean"
"""The method whose final value the others' tokens are counted to."""


def standings(entries: Sequence[Entry], settings: ComparisonSettings) -> list[dict[str, Any]]:
    """Return one dict a row, the one with the fewest bits per byte at the end first."""
    rows = [row(entry) for entry in entries]
    for domain in DOMAINS:
        if all(domain in entry.curves for entry in entries):
            add_domain(rows, entries, domain, settings)
    return sorted(rows, key=lambda found: found["bits_per_byte"]["end"])


def row(entry: Entry) -> dict[str, Any]:
    """Return what does not depend on the others."""
    return {
        "method": entry.name,
        "seconds_to_map": entry.seconds_to_map,
        "seconds_of_evidence": entry.seconds_of_evidence,
        "mapped_share": entry.mapped_share,
        "learning_rate": entry.learning_rate,
        "seeds": list(entry.seeds),
        "other_domain": None,
    }


def add_domain(rows: list[dict[str, Any]], entries: Sequence[Entry], domain: str, settings: ComparisonSettings) -> None:
    """Add the figures of one domain to each row: the corpus's own at the top, the other in `other_domain`."""
    curves = [entry.curves[domain] for entry in entries]
    most_seeds = max(len(curve.nll) for curve in curves)
    draws = draw(len(curves[0].lengths), most_seeds, settings.bootstrap_samples, settings.seed)
    yardstick = next((curve for entry, curve in zip(entries, curves, strict=True) if entry.name == YARDSTICK), None)
    for found, entry, curve in zip(rows, entries, curves, strict=True):
        values, samples = bits_per_byte(curve, entry.seeds), resampled(curve, entry.seeds, draws)
        names = [*(str(step) for step in curve.steps[:-1]), "end"]
        figures: dict[str, Any] = {
            "intervals": {name: interval(samples[:, place], settings.confidence) for place, name in enumerate(names)},
            "area": float(mean_height(values, curve.steps)),
            "area_interval": interval(mean_height(samples, curve.steps), settings.confidence),
            **reaching(entry, curve, yardstick, draws, settings),
            **verdicts(entry, curve, entries, curves, draws, settings),
        }
        points = dict(zip(names, values.tolist(), strict=True))
        if domain == "own":
            found |= {"bits_per_byte": points, **figures}
        else:
            found["other_domain"] = points | figures


def reaching(
    entry: Entry, curve: Curve, yardstick: Curve | None, draws: Draws, settings: ComparisonSettings
) -> dict[str, Any]:
    """Return the tokens after which a method is as good as the yardstick is at the end, with an interval.

    None where it never is, or was not compared; an end of the interval is None where that many bootstrap samples do not
    get there.
    """
    nothing = {"tokens_to_subtoken_mean": None, "tokens_to_subtoken_mean_interval": None}
    if yardstick is None:
        return nothing
    seeds = shared_seeds(curve, yardstick)
    goal = bits_per_byte(yardstick, seeds)[-1:]
    steps = steps_to_reach(bits_per_byte(curve, seeds)[None], curve.steps, goal)[0]
    if not math.isfinite(steps):
        return nothing
    drawn = steps_to_reach(resampled(curve, seeds, draws), curve.steps, resampled(yardstick, seeds, draws)[:, -1])
    low, high = interval(np.where(np.isnan(drawn), np.finfo(float).max, drawn), settings.confidence)
    ends = [round(end * entry.tokens_per_step) if end <= curve.steps[-1] else None for end in (low, high)]
    return {
        "tokens_to_subtoken_mean": round(float(steps) * entry.tokens_per_step),
        "tokens_to_subtoken_mean_interval": ends,
    }


def verdicts(
    entry: Entry,
    curve: Curve,
    entries: Sequence[Entry],
    curves: Sequence[Curve],
    draws: Draws,
    settings: ComparisonSettings,
) -> dict[str, Any]:
    """Return what a method is better than at the end, tied with and worse than, by the paired interval.

    A difference whose interval holds 0 is a tie.
    """
    better, ties, worse = list[str](), list[str](), list[str]()
    differences = {}
    for rival, theirs in zip(entries, curves, strict=True):
        if rival.name == entry.name:
            continue
        seeds = shared_seeds(curve, theirs)
        drawn = resampled(curve, seeds, draws)[:, -1] - resampled(theirs, seeds, draws)[:, -1]
        low, high = interval(drawn, settings.confidence)
        (better if high < 0 else worse if low > 0 else ties).append(rival.name)
        mean = bits_per_byte(curve, seeds)[-1] - bits_per_byte(theirs, seeds)[-1]
        differences[rival.name] = {"difference": float(mean), "low": low, "high": high, "seeds": list(seeds)}
    return {"better_than": better, "ties_with": ties, "worse_than": worse, "differences": differences}
