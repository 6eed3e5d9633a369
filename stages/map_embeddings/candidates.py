"""Pairs of vectors whose cosine may matter, among very many: bounds for all, exact products for the few that pass."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from stages.map_embeddings.screen import Screen, make_screen

LowerBound = Callable[[np.ndarray], np.ndarray]
"""From some values of each row, shape (rows, values), to what all that matters lies above, shape (rows,). With more
values it may only rise, as sparsemax's threshold and the n-th largest do: so a bound from some holds for all."""
Found = TypeVar("Found")
LANES, DEPTH = 256, 16
"""Columns are bounded together in groups of DEPTH, LANES groups side by side, so that maxima run along the memory."""
BLOCK_ROWS, BLOCK_NUMBERS = 256, 1 << 22
"""Rows that are multiplied at once; fewer where that would be more numbers (16 MB)."""
EXACT_NUMBERS = 1 << 17
"""Numbers gathered at once for exact products: 1 MB, which stays in the cache."""
SLACK = 1e-5
"""By which a float32 cosine may be off; what is nearer to the bound is computed again."""
NOTHING = -4.0
"""Below every cosine, and below every threshold of sparsemax (which is at least the largest cosine - 1)."""
MOST_THREADS = 8
"""Blocks in work at once, where there are that many cores: each takes 20 MB. Blocks know nothing of each other."""


class Candidates(NamedTuple):
    """The cosines of some rows that may matter: shapes (rows,), (rows, most) and (rows, most)."""

    rows: np.ndarray
    columns: np.ndarray
    """In rising order; -1 where a row has fewer."""
    cosines: np.ndarray
    """float64; NOTHING where a row has fewer."""


class Search(NamedTuple):
    """What all blocks have in common."""

    left: np.ndarray
    right: np.ndarray
    screen: Screen
    group_rest: np.ndarray
    """The largest of the columns' rests in each group, shape (tiles, LANES)."""
    lower_bound: LowerBound


class Memory(NamedTuple):
    """Arrays that blocks use again: new pages for every block take longer than filling them."""

    products: np.ndarray
    """Shape (rows, columns, filled up to whole tiles)."""
    maxima: np.ndarray
    """Of groups, shape (rows, tiles, LANES)."""


def for_candidates(
    left: np.ndarray, right: np.ndarray, lower_bound: LowerBound, use: Callable[[Candidates], Found]
) -> list[Found]:
    """Return what `use` makes of the cosines above each row's lower bound, block by block of rows.

    Both have unit rows, float32; shapes (rows, dimension), (columns, dimension).
    """
    tiles = -(-len(right) // (LANES * DEPTH))
    screen = make_screen(left, right)
    rest = _filled(screen.right_rest[None], tiles).reshape(tiles, DEPTH, LANES).max(axis=1)
    search = Search(left, right, screen, rest, lower_bound)
    step = max(1, min(BLOCK_ROWS, len(left), BLOCK_NUMBERS // max(len(right), 1)))
    workers = min(MOST_THREADS, len(os.sched_getaffinity(0)))
    memories: SimpleQueue[Memory] = SimpleQueue()
    for _ in range(workers):
        products = np.full((step, tiles * DEPTH * LANES), NOTHING, dtype=np.float32)
        memories.put(Memory(products, np.empty((step, tiles, LANES), dtype=np.float32)))

    def work(start: int) -> Found:
        memory = memories.get()
        try:
            return use(_candidates(search, np.arange(start, min(start + step, len(left))), memory))
        finally:
            memories.put(memory)

    # Products divided among threads besides would wait for each other, for many seconds on a machine with other work.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as threads:
        return list(threads.map(work, range(0, len(left), step)))


def _filled(values: np.ndarray, tiles: int) -> np.ndarray:
    return np.pad(values, [(0, 0), (0, tiles * DEPTH * LANES - values.shape[1])])


def _candidates(search: Search, rows: np.ndarray, memory: Memory) -> Candidates:
    """Bound by the groups' largest products first, then by the products in the groups that pass."""
    products, maxima = memory.products[: len(rows)], memory.maxima[: len(rows)]
    _multiply(search.screen, slice(rows[0], rows[-1] + 1), products, maxima)
    doubt = 2 * search.screen.left_rest[rows]
    bound = search.lower_bound((maxima - doubt[:, None, None] * search.group_rest).max(axis=1)) - SLACK
    row, tile, lane = np.nonzero(maxima > bound[:, None, None])
    column = ((tile * DEPTH)[:, None] + np.arange(DEPTH)) * LANES + lane[:, None]
    value = products[row[:, None], column]
    passed = (value > bound[row][:, None]) & (column < len(search.right))
    row, column, value = np.repeat(row, passed.sum(axis=1)), column[passed], value[passed]
    order = np.argsort(row * products.shape[1] + column)
    row, column, value = row[order], column[order], value[order]
    lowest = _by_row(row, value - doubt[row] * search.screen.right_rest[column], len(rows), NOTHING)
    passed = value > (search.lower_bound(lowest) - SLACK)[row]
    row, column = row[passed], column[passed]
    columns = _by_row(row, column, len(rows), -1)
    cosines = _exact_cosines(search.left[rows].astype(np.float64), search.right, columns)
    return Candidates(rows, columns, cosines)


def _multiply(screen: Screen, rows: slice, products: np.ndarray, maxima: np.ndarray) -> None:
    """Fill in the products and their groups' maxima, tile by tile while it is in the cache."""
    for tile in range(maxima.shape[1]):
        begin, end = tile * DEPTH * LANES, min((tile + 1) * DEPTH * LANES, len(screen.right))
        np.matmul(screen.left[rows], screen.right[begin:end].T, out=products[:, begin:end])
        groups = products[:, begin : begin + DEPTH * LANES].reshape(-1, DEPTH, LANES)
        np.max(groups, axis=1, out=maxima[:, tile])


def _by_row(row: np.ndarray, values: np.ndarray, rows: int, filling: float) -> np.ndarray:
    """Return values that are sorted by row as an array, shape (rows, most), filled up."""
    number = np.bincount(row, minlength=rows)
    place = np.arange(len(row)) - np.repeat(np.cumsum(number) - number, number)
    table = np.full((rows, number.max(initial=1)), filling, dtype=values.dtype)
    table[row, place] = values
    return table


def _exact_cosines(left: np.ndarray, right: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the products in float64: a matrix product's last bits depend on where a row stands, and on threads."""
    cosines = np.full(columns.shape, NOTHING)
    numbers, dimension = (columns >= 0).sum(axis=1), left.shape[1]
    order = np.argsort(-numbers, kind="stable")  # rows with as many candidates are computed together
    step = max(1, EXACT_NUMBERS // (columns.shape[1] * dimension))
    # Gathered as they are, which is half as much to fetch, and only then made longer.
    single = np.empty((step * columns.shape[1], dimension), dtype=right.dtype)
    double = np.empty(single.shape)
    for start in range(0, len(left), step):
        rows = order[start : start + step]
        most = numbers[rows[0]]
        part = columns[rows, :most]
        double[: part.size] = np.take(right, part.ravel(), axis=0, out=single[: part.size], mode="clip")
        found = np.einsum("rcd,rd->rc", double[: part.size].reshape(*part.shape, dimension), left[rows])
        cosines[rows, :most] = np.where(part >= 0, found, NOTHING)
    return cosines
