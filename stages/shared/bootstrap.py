"""Bootstrap over documents."""

import math

import numpy as np

BLOCK = 4_000_000
"""Document numbers drawn at a time; bounds the memory."""


def resampled_totals(values: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return the totals of each row over documents drawn with replacement, float64, shape (rows, samples).

    `values` has the shape (rows, documents). Every row sees the same draws, so rows can be compared in pairs.
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
    nll: np.ndarray, lengths: np.ndarray, samples: int, confidence: float, seed: int
) -> tuple[float, float] | None:
    """Return the percentile interval of total nll / ln 2 / total bytes.

    `nll` in nats and `lengths` in bytes have the shape (documents,). A difference of two systems' nll gives the
    interval of their paired difference. One document cannot be resampled: None.
    """
    if len(nll) < 2:
        return None
    totals = resampled_totals(np.stack([nll, lengths]).astype(np.float64), samples, seed)
    ratios = totals[0] / totals[1] / math.log(2)
    low, high = np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
