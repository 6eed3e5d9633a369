"""Rows drawn from the normal distribution that has the mean and the covariance of a table's rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

Draw = Callable[[int], np.ndarray]
"""From how many rows are needed next to these rows, or to one that serves them all; float32."""
DRAWN_NUMBERS = 1 << 24
"""Normal numbers drawn at once (64 MB)."""
CENTRED_ROWS, PANEL = 2048, 1024
"""Source rows in float64 at once, and columns of their products: the products below the diagonal are left out."""
RIDGE = 256 * float(np.finfo(np.float64).eps)
"""Share of the total variance that is added to each dimension's: more than the sums' rounding, so that tables of any
rank have a triangle, and about 1e-5 of a dimension's deviation in 4,096 of them."""


def normal_rows(source: np.ndarray, number: int, seed: list[int]) -> Draw:
    """Return what draws `number` rows in all; `source` is float32, shape (source tokens, hidden).

    Independent normal numbers, one for each source row, times the centred source rows have their covariance, whatever
    its rank. Where there are more rows to draw than a row has numbers, a triangle of the covariance takes less.
    """
    mean = source.mean(axis=0, dtype=np.float64).astype(np.float32)
    with one_thread():
        factor = _triangle(source) if number > source.shape[1] else torch.from_numpy(source)
    scale = max(len(source) - 1, 1) ** -0.5
    # The table itself is not centred, which would be a copy of it: the mean is taken off the product.
    shift = np.zeros_like(mean) if number > source.shape[1] else mean
    generator = np.random.default_rng(seed)

    def draw(rows: int) -> np.ndarray:
        found = np.empty((rows, len(mean)), dtype=np.float32)
        step = max(1, DRAWN_NUMBERS // len(factor))
        for start in range(0, rows, step):
            drawn = generator.standard_normal((min(step, rows - start), len(factor)), dtype=np.float32)
            with one_thread():
                products = (torch.from_numpy(drawn) @ factor).numpy()
            totals = drawn.sum(axis=1, keepdims=True)
            found[start : start + step] = mean + scale * (products - totals * shift)
        return found

    return draw


def _triangle(source: np.ndarray) -> torch.Tensor:
    """Return a triangle R, float32, with R^T R = the products of the centred columns; shape (hidden, hidden)."""
    hidden = source.shape[1]
    mean = source.mean(axis=0, dtype=np.float64)
    products = torch.zeros((hidden, hidden), dtype=torch.float64)
    for start in range(0, len(source), CENTRED_ROWS):
        rows = torch.from_numpy(source[start : start + CENTRED_ROWS] - mean)
        for column in range(0, hidden, PANEL):
            panel = slice(column, min(column + PANEL, hidden))
            products[: panel.stop, panel].addmm_(rows[:, : panel.stop].T, rows[:, panel])
    variance = float(products.diagonal().sum())
    products.diagonal().add_(max(RIDGE * variance, float(np.finfo(np.float64).tiny)))
    # Only a lower triangle is read, which is what the upper one is from the other side.
    lower: torch.Tensor = torch.linalg.cholesky(products.T)
    return lower.T.to(torch.float32).contiguous()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: the last bits of a sum depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
