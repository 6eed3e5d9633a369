"""Weights from cosines among very many vectors, of which only the largest matter."""

import numpy as np
from scipy.sparse import csr_matrix

from stages.map_embeddings.candidates import NOTHING, Candidates, for_candidates
from stages.map_embeddings.initialization import normalize_rows

BLOCK_ROWS = 1 << 10
"""Vectors in float64 at once: they stay in the cache."""
Entries = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Rows, columns and weights."""


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Return the rows at length 1, float32; rows of zeros stay."""
    unit = np.empty(vectors.shape, dtype=np.float32)
    for start in range(0, len(vectors), BLOCK_ROWS):
        exact = vectors[start : start + BLOCK_ROWS].astype(np.float64)
        length = np.linalg.norm(exact, axis=1, keepdims=True)
        unit[start : start + BLOCK_ROWS] = exact / np.where(length > 0, length, 1.0)
    return unit


def sparsemax_of_cosines(left: np.ndarray, right: np.ndarray) -> csr_matrix:
    """Return sparsemax of the cosines of each row of `left` with all of `right` (Martins & Astudillo 2016).

    Both have unit rows; shapes (rows, dimension), (columns, dimension). Rows of the result sum to one.
    """

    def weigh(block: Candidates) -> Entries:
        weights = np.maximum(block.cosines - _sparsemax_thresholds(block.cosines)[:, None], 0.0)
        kept = weights > 0
        return np.repeat(block.rows, kept.sum(axis=1)), block.columns[kept], weights[kept]

    return _matrix(for_candidates(left, right, _sparsemax_thresholds, weigh), (len(left), len(right)))


def softmax_of_nearest(
    left: np.ndarray, right: np.ndarray, numbers: np.ndarray, neighbors: int, temperature: float
) -> csr_matrix:
    """Return softmax(cosine / temperature) over the `neighbors` nearest, shape (rows, columns).

    `numbers` tells how many columns of the result share each row of `right`. Among equals the first goes first.
    """
    starts = np.cumsum(numbers) - numbers

    def weigh(block: Candidates) -> Entries:
        order = np.argsort(-block.cosines, axis=1, kind="stable")[:, :neighbors]
        cosines = np.take_along_axis(block.cosines, order, axis=1)
        nearest = np.take_along_axis(block.columns, order, axis=1)
        number = np.where(nearest >= 0, numbers[nearest], 0)
        before = np.cumsum(number, axis=1) - number
        taken = np.clip(neighbors - before, 0, number).ravel()
        within = np.arange(taken.sum()) - np.repeat(np.cumsum(taken) - taken, taken)
        columns = np.repeat(starts[nearest.ravel()], taken) + within
        weights = np.exp((np.repeat(cosines.ravel(), taken) - 1.0) / temperature)
        return np.repeat(np.repeat(block.rows, nearest.shape[1]), taken), columns, weights

    found = for_candidates(left, right, lambda cosines: _nth_largest(cosines, neighbors), weigh)
    return _matrix(found, (len(left), int(numbers.sum())))


def _sparsemax_thresholds(values: np.ndarray) -> np.ndarray:
    """Return for each row the t at which the sum of max(0, value - t) is one."""
    falling = np.sort(values, axis=1)[:, ::-1].astype(np.float64)
    total, number = np.cumsum(falling, axis=1), np.arange(1, values.shape[1] + 1)
    support = (1 + number * falling > total).sum(axis=1)
    thresholds: np.ndarray = (total[np.arange(len(values)), support - 1] - 1) / support
    return thresholds


def _nth_largest(values: np.ndarray, number: int) -> np.ndarray:
    if values.shape[1] <= number:
        return np.full(len(values), NOTHING / 2, dtype=values.dtype)
    largest: np.ndarray = np.partition(values, -number, axis=1)[:, -number]
    return largest


def _matrix(found: list[Entries], shape: tuple[int, int]) -> csr_matrix:
    """Return the matrix of (rows, columns, weights), its rows divided by their sums."""
    rows, columns, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    return normalize_rows(csr_matrix((weights, (rows, columns)), shape=shape))
