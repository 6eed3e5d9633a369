"""Which vectors are alike, among very many: cosines in blocks, of which only the largest are kept."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from stages.map_embeddings.initialization import normalize_rows

LowerBound = Callable[[np.ndarray], np.ndarray]
"""From some values of each row, shape (rows, values), to what all that matters lies above, shape (rows,)."""
BLOCK_NUMBERS = 1 << 24
"""Cosines held at once: 64 MB."""
GROUPS = 128
SLACK = 1e-5
"""By which a float32 cosine may be off; what is nearer to the bound is computed again."""
NOTHING = -4.0
"""Below every cosine, and below every threshold of sparsemax (which is at least the largest cosine - 1)."""


class Candidates(NamedTuple):
    """The cosines of some rows that may matter: shapes (rows,), (rows, most) and (rows, most)."""

    rows: np.ndarray
    columns: np.ndarray
    """In rising order; -1 where a row has fewer."""
    cosines: np.ndarray
    """float64; NOTHING where a row has fewer."""


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Return the rows at length 1, float32; rows of zeros stay."""
    exact = vectors.astype(np.float64)
    length = np.linalg.norm(exact, axis=1, keepdims=True)
    unit: np.ndarray = (exact / np.where(length > 0, length, 1.0)).astype(np.float32)
    return unit


def sparsemax_of_cosines(left: np.ndarray, right: np.ndarray) -> csr_matrix:
    """Return sparsemax of the cosines of each row of `left` with all of `right` (Martins & Astudillo 2016).

    Both have unit rows; shapes (rows, dimension), (columns, dimension). Rows of the result sum to one.
    """
    found = []
    for block in _candidates(left, right, _sparsemax_thresholds):
        weights = np.maximum(block.cosines - _sparsemax_thresholds(block.cosines)[:, None], 0.0)
        kept = weights > 0
        found.append((np.repeat(block.rows, kept.sum(axis=1)), block.columns[kept], weights[kept]))
    return _matrix(found, (len(left), len(right)))


def softmax_of_nearest(
    left: np.ndarray, right: np.ndarray, numbers: np.ndarray, neighbors: int, temperature: float
) -> csr_matrix:
    """Return softmax(cosine / temperature) over the `neighbors` nearest, shape (rows, columns).

    `numbers` tells how many columns of the result share each row of `right`. Among equals the first goes first.
    """
    starts = np.cumsum(numbers) - numbers
    found = []
    for block in _candidates(left, right, lambda cosines: _nth_largest(cosines, neighbors)):
        order = np.argsort(-block.cosines, axis=1, kind="stable")[:, :neighbors]
        cosines = np.take_along_axis(block.cosines, order, axis=1)
        nearest = np.take_along_axis(block.columns, order, axis=1)
        number = np.where(nearest >= 0, numbers[nearest], 0)
        before = np.cumsum(number, axis=1) - number
        taken = np.clip(neighbors - before, 0, number).ravel()
        within = np.arange(taken.sum()) - np.repeat(np.cumsum(taken) - taken, taken)
        columns = np.repeat(starts[nearest.ravel()], taken) + within
        weights = np.exp((np.repeat(cosines.ravel(), taken) - 1.0) / temperature)
        found.append((np.repeat(np.repeat(block.rows, nearest.shape[1]), taken), columns, weights))
    return _matrix(found, (len(left), int(numbers.sum())))


def _candidates(left: np.ndarray, right: np.ndarray, lower_bound: LowerBound) -> Iterator[Candidates]:
    """Yield the cosines above each row's lower bound, which is taken from the maxima of groups of columns.

    A bound from some of the values holds for all of them: with more values, sparsemax's threshold and the n-th largest
    only rise. So nothing is sorted but a few numbers a row.
    """
    step = max(1, BLOCK_NUMBERS // max(len(right), 1))
    for start in range(0, len(left), step):
        cosines = left[start : start + step] @ right.T
        bound = lower_bound(_group_maxima(cosines)) - SLACK
        flat = np.flatnonzero((cosines > bound[:, None]).ravel())
        row, column = np.divmod(flat, len(right))
        number = np.bincount(row, minlength=len(cosines))
        place = np.arange(len(row)) - np.repeat(np.cumsum(number) - number, number)
        columns = np.full((len(cosines), number.max(initial=1)), -1, dtype=np.int64)
        columns[row, place] = column
        exact = np.full(columns.shape, NOTHING)
        exact[row, place] = _exact_cosines(left, right, start + row, column)
        yield Candidates(np.arange(start, start + len(cosines)), columns, exact)


def _group_maxima(cosines: np.ndarray) -> np.ndarray:
    groups = cosines.shape[1] // GROUPS
    if groups < 2:
        return cosines
    maxima: np.ndarray = cosines[:, : groups * GROUPS].reshape(len(cosines), groups, GROUPS).max(axis=1)
    return maxima


def _exact_cosines(left: np.ndarray, right: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the products in float64: a matrix product's last bits depend on where a row stands, and on threads."""
    step = max(1, BLOCK_NUMBERS // 4 // left.shape[1])
    parts = [np.zeros(0)]
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        first, second = left[rows[part]].astype(np.float64), right[columns[part]].astype(np.float64)
        parts.append(np.einsum("ij,ij->i", first, second))
    return np.concatenate(parts)


def _sparsemax_thresholds(values: np.ndarray) -> np.ndarray:
    """Return for each row the t at which the sum of max(0, value - t) is one."""
    falling = -np.sort(-values.astype(np.float64), axis=1)
    total, number = np.cumsum(falling, axis=1), np.arange(1, values.shape[1] + 1)
    support = (1 + number * falling > total).sum(axis=1)
    thresholds: np.ndarray = (total[np.arange(len(values)), support - 1] - 1) / support
    return thresholds


def _nth_largest(values: np.ndarray, number: int) -> np.ndarray:
    if values.shape[1] <= number:
        return np.full(len(values), NOTHING / 2, dtype=values.dtype)
    largest: np.ndarray = np.partition(values, -number, axis=1)[:, -number]
    return largest


def _matrix(found: list[tuple[np.ndarray, np.ndarray, np.ndarray]], shape: tuple[int, int]) -> csr_matrix:
    """Return the matrix of (rows, columns, weights), its rows divided by their sums."""
    rows, columns, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    return normalize_rows(csr_matrix((weights, (rows, columns)), shape=shape))
