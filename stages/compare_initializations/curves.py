"""Learning curves of several methods on the same groups of documents, resampled together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from stages.shared.bootstrap import percentile_interval


@dataclass(frozen=True)
class Curve:
    """How one method predicted the documents of one domain, at the measured steps; those of a group are one."""

    nll: Mapping[int, np.ndarray]
    """By seed: nats, float64, shape (measured steps, groups)."""
    lengths: np.ndarray
    """UTF-8 bytes, shape (groups,)."""
    steps: tuple[int, ...]
    documents: int
    texts: frozenset[Any] = frozenset()
    """What the documents and steps were, one for each seed; equal where all is well."""


def draw(groups: int, samples: int, seed: int) -> np.ndarray:
    """Return how often each group is drawn, float64, shape (samples, groups).

    Drawn once for all methods of a domain, so that differences are paired.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(groups, np.full(groups, 1 / groups), size=samples).astype(np.float64)


def bits_per_byte(curve: Curve, seeds: Sequence[int]) -> np.ndarray:
    """Return bits per byte for each seed at each measured step, shape (seeds, measured steps)."""
    totals = np.stack([curve.nll[seed].sum(axis=1) for seed in seeds])
    return np.asarray(totals / math.log(2) / curve.lengths.sum())


def resampled(curve: Curve, seeds: Sequence[int], draws: np.ndarray) -> np.ndarray:
    """Return bits per byte of each bootstrap sample, mean over the seeds, shape (samples, measured steps)."""
    total = draws @ np.mean([curve.nll[seed] for seed in seeds], axis=0).T
    return np.asarray(total / (draws @ curve.lengths)[:, None] / math.log(2))


def shared_seeds(one: Curve, other: Curve) -> tuple[int, ...]:
    """Return the seeds that two methods were both trained with."""
    return tuple(sorted(set(one.nll) & set(other.nll)))


def mean_height(values: np.ndarray, steps: tuple[int, ...]) -> np.ndarray:
    """Return the area under curves over the steps (trapezoids), divided by the last step: bits per byte.

    `values` has the shape (..., measured steps).

    >>> float(mean_height(np.array([3.0, 2.0, 2.0]), (0, 10, 30)).round(4))
    2.1667
    """
    widths = np.diff(steps)
    middles = (values[..., 1:] + values[..., :-1]) / 2
    return np.asarray((middles * widths).sum(axis=-1) / widths.sum())


def steps_to_reach(values: np.ndarray, steps: tuple[int, ...], goal: np.ndarray) -> np.ndarray:
    """Return the first step at which each curve is as low as its goal, between measured steps on a straight line.

    Shapes (samples, measured steps) and (samples,); nan where the goal is never reached.

    >>> steps_to_reach(np.array([[3.0, 2.0], [3.0, 2.9]]), (0, 10), np.array([2.5, 2.5])).tolist()
    [5.0, nan]
    """
    found = np.full(len(values), np.nan)
    found[values[:, 0] <= goal] = steps[0]
    for place in range(1, len(steps)):
        before, after = values[:, place - 1], values[:, place]
        crossed = np.isnan(found) & (after <= goal)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (before - goal) / (before - after)
        found[crossed] = (steps[place - 1] + share * (steps[place] - steps[place - 1]))[crossed]
    return found


def interval(drawn: np.ndarray, by_seed: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the interval of a mean over seeds: the groups' percentiles, made wider by what the seeds differ.

    `drawn` has the shape (samples,), `by_seed` (seeds,). The two spreads are independent, so their squares add up; the
    seeds' is Student's, t(n - 1) s / sqrt(n): resampling three of them would cover far too little. With one seed the
    order of the text has no part in the interval.
    """
    low, high = percentile_interval(drawn, confidence)
    seeds, mean = len(by_seed), float(by_seed.mean())
    spread = 0.0
    if seeds > 1:
        spread = float(student.ppf((1 + confidence) / 2, seeds - 1) * by_seed.std(ddof=1) / math.sqrt(seeds))
    return mean - math.hypot(max(0.0, mean - low), spread), mean + math.hypot(max(0.0, high - mean), spread)
