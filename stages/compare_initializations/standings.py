"""From learning curves to the rows of leaderboard.json."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.compare_initializations.curves import (
    Curve,
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
from stages.shared.bootstrap import percentile_interval

Shown = tuple[np.ndarray, np.ndarray]
"""Bits per byte of each seed, and of each bootstrap sample, at the measured steps."""
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
        "made_by": entry.made_by,
        "seconds_to_map": entry.seconds_to_map,
        "seconds_of_evidence": entry.seconds_of_evidence,
        "mapped_share": entry.mapped_share,
        "learning_rate": entry.learning_rate,
        "rate_edge": entry.rate_edge,
        "seeds": list(entry.seeds),
        "other_domain": None,
        **({"unknown_tokens": entry.unknown_tokens} if entry.unknown_tokens else {}),
    }


def add_domain(rows: list[dict[str, Any]], entries: Sequence[Entry], domain: str, settings: ComparisonSettings) -> None:
    """Add the figures of one domain to each row: the corpus' own at the top, the other in `other_domain`.

    Rows are shown and ranked by the seeds that all of them have, so that no row gains by an easy order of the text.
    """
    curves = {entry.name: entry.curves[domain] for entry in entries}
    common = sorted(set.intersection(*(set(curve.nll) for curve in curves.values())))
    draws = draw(len(entries[0].curves[domain].lengths), settings.bootstrap_samples, settings.seed)
    shown = {name: (bits_per_byte(curve, common), resampled(curve, common, draws)) for name, curve in curves.items()}
    for found, entry in zip(rows, entries, strict=True):
        curve, (values, samples) = curves[entry.name], shown[entry.name]
        names = [*(str(step) for step in curve.steps[:-1]), "end"]
        heights = mean_height(values, curve.steps)
        figures: dict[str, Any] = {
            "intervals": {
                name: interval(samples[:, place], values[:, place], settings.confidence)
                for place, name in enumerate(names)
            },
            "area": float(heights.mean()),
            "area_interval": interval(mean_height(samples, curve.steps), heights, settings.confidence),
            "end_by_seed": {str(seed): float(bits_per_byte(curve, [seed])[0, -1]) for seed in entry.seeds},
            **reaching(entry, curve.steps, shown[entry.name], shown.get(YARDSTICK), settings.confidence),
            **verdicts(entry.name, curves, draws, settings),
        }
        points = dict(zip(names, values.mean(axis=0).tolist(), strict=True))
        if domain == "own":
            found |= {"bits_per_byte": points, **figures}
        else:
            found["other_domain"] = points | figures


def reaching(
    entry: Entry, steps: tuple[int, ...], shown: Shown, yardstick: Shown | None, confidence: float
) -> dict[str, Any]:
    """Return the tokens after which a method is as good as the yardstick is at the end, with an interval.

    Of the curves that are shown, those of the seeds that all have. None where it never is, or was not compared; an end
    of the interval is None where that many bootstrap samples do not get there.
    """
    nothing = {"tokens_to_subtoken_mean": None, "tokens_to_subtoken_mean_interval": None}
    if yardstick is None:
        return nothing
    curve, goal = (values.mean(axis=0) for values, _ in (shown, yardstick))
    reached = steps_to_reach(curve[None], steps, goal[-1:])[0]
    if not math.isfinite(reached):
        return nothing
    drawn = steps_to_reach(shown[1], steps, yardstick[1][:, -1])
    ends = percentile_interval(np.where(np.isnan(drawn), np.finfo(float).max, drawn), confidence)
    return {
        "tokens_to_subtoken_mean": round(float(reached) * entry.tokens_per_step),
        "tokens_to_subtoken_mean_interval": [
            round(float(end) * entry.tokens_per_step) if end <= steps[-1] else None for end in ends
        ],
    }


def verdicts(name: str, curves: Mapping[str, Curve], draws: np.ndarray, settings: ComparisonSettings) -> dict[str, Any]:
    """Return what a method is better than at the end, tied with and worse than, by the paired interval.

    A pair is compared with all the seeds that both have. A difference whose interval holds 0 is a tie.
    """
    better, ties, worse = list[str](), list[str](), list[str]()
    differences = {}
    for rival, theirs in curves.items():
        if rival == name:
            continue
        seeds = shared_seeds(curves[name], theirs)
        by_seed = (bits_per_byte(curves[name], seeds) - bits_per_byte(theirs, seeds))[:, -1]
        drawn = (resampled(curves[name], seeds, draws) - resampled(theirs, seeds, draws))[:, -1]
        low, high = interval(drawn, by_seed, settings.confidence)
        (better if high < 0 else worse if low > 0 else ties).append(rival)
        differences[rival] = {"difference": float(by_seed.mean()), "low": low, "high": high, "seeds": list(seeds)}
    return {"better_than": better, "ties_with": ties, "worse_than": worse, "differences": differences}
