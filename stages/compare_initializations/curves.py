"""Learning curves of several methods on the same documents, resampled together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curve:
    """How one method predicted the documents of one domain, at the measured steps."""

    nll: Mapping[int, np.ndarray]
    """By seed: nats, float64, shape (measured steps, documents)."""
    lengths: np.ndarray
    """UTF-8 bytes, shape (documents,)."""
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Draws:
    """Documents and seeds drawn with replacement, the same for all methods, so that differences are paired."""

    documents: np.ndarray
    """How often each document was drawn, float64, shape (samples, documents)."""
    seeds: np.ndarray
    """Uniform numbers that pick among the seeds that two methods share, shape (samples, most seeds)."""


def draw(documents: int, most_seeds: int, samples: int, seed: int) -> Draws:
    """Draw once for all comparisons of a domain."""
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(documents, np.full(documents, 1 / documents), size=samples)
    return Draws(counts.astype(np.float64), generator.random((samples, most_seeds)))


def bits_per_byte(curve: Curve, seeds: tuple[int, ...]) -> np.ndarray:
    """Return the mean over seeds at each measured step, shape (measured steps,)."""
    total = np.mean([curve.nll[seed].sum(axis=1) for seed in seeds], axis=0)
    return np.asarray(total / math.log(2) / curve.lengths.sum())


def resampled(curve: Curve, seeds: tuple[int, ...], draws: Draws) -> np.ndarray:
    """Return bits per byte of each bootstrap sample, shape (samples, measured steps).

    With several seeds these are resampled too, since the order of the text is as much chance as the documents are.
    """
    lengths = draws.documents @ curve.lengths
    by_seed = np.stack([draws.documents @ curve.nll[seed].T for seed in seeds])  # (seeds, samples, steps)
    picked = (draws.seeds[:, : len(seeds)] * len(seeds)).astype(int)
    rows = np.arange(len(lengths))
    total = np.mean([by_seed[picked[:, place], rows] for place in range(len(seeds))], axis=0)
    return np.asarray(total / lengths[:, None] / math.log(2))


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


def interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of bootstrap values."""
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
