"""Bootstrap over documents, or over groups of documents of one origin."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCK = 4_000_000
"""Numbers drawn at a time; bounds the memory."""


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made."""

    samples: int
    confidence: float
    seed: int


def group_totals(values: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Return the totals of each group's documents, shape (..., groups), groups by their first document.

    `values` has the shape (..., documents). Documents of one page or book are not independent: drawn one by one they
    make intervals that are too narrow, so whole groups are drawn (the cluster bootstrap; Field and Welsh 2007).

    >>> group_totals(np.array([1.0, 2.0, 4.0]), ["page", "book", "page"]).tolist()
    [5.0, 2.0]
    """
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    member = np.zeros((len(groups), len(places)))
    member[range(len(groups)), [places[group] for group in groups]] = 1
    return np.asarray(values @ member)


def percentile_interval(samples: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the two values between which that share of bootstrap samples lies, as much of the rest on either side."""
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def resampled_totals(values: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return the totals of each row over columns drawn with replacement, float64, shape (rows, samples).

    `values` has the shape (rows, documents or groups). Every row sees the same draws, so rows can be compared in pairs.
    """
    generator = np.random.default_rng(seed)
    documents = values.shape[1]
    totals = np.empty((len(values), samples))
    step = max(1, BLOCK // documents)
    for first in range(0, samples, step):
        drawn = generator.integers(0, documents, size=(min(step, samples - first), documents))
        for row, figures in enumerate(values):
            totals[row, first : first + step] = figures[drawn].sum(axis=1)
    return totals


def bits_per_byte_interval(
    nll: np.ndarray, lengths: np.ndarray, groups: Sequence[str], bootstrap: Bootstrap
) -> tuple[float, float] | None:
    """Return the percentile interval of total nll / ln 2 / total bytes, drawing whole groups.

    `nll` in nats, `lengths` in bytes and `groups` have the shape (documents,). A difference of two systems' nll gives
    the interval of their paired difference. One group cannot be resampled: None.
    """
    values = group_totals(np.stack([nll, lengths]).astype(np.float64), groups)
    if values.shape[1] < 2:
        return None
    totals = resampled_totals(values, bootstrap.samples, bootstrap.seed)
    return percentile_interval(totals[0] / totals[1] / math.log(2), bootstrap.confidence)
