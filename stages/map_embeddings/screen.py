"""Fewer dimensions in which the cosines of very many vectors are bounded from above."""

from typing import NamedTuple

import numpy as np

REST = 1e-3
"""Share of the squared lengths that may lie outside the dimensions that are kept."""
WORTHWHILE = 0.6
"""Share of the dimensions above which all are kept."""
MULTIPLE = 8
"""Of dimensions: what matrix products take at once."""


class Screen(NamedTuple):
    """Vectors whose products, `left @ right.T`, are bounds of the cosines from above, but for rounding.

    The products are above the cosines by twice the product of the rests at most (Cauchy and Schwarz). Shapes
    (rows, kept), (columns, kept), (rows,), (columns,).
    """

    left: np.ndarray
    right: np.ndarray
    left_rest: np.ndarray
    """Length of the part of each row that is left out; zero where nothing is."""
    right_rest: np.ndarray


def make_screen(left: np.ndarray, right: np.ndarray) -> Screen:
    """Keep the principal dimensions of `right`, and as one more the length of what is left out.

    Shapes (rows, dimension), (columns, dimension). Vectors trained on little text lie in a few dimensions; where they
    do not, all dimensions are kept as they are.
    """
    dimension = right.shape[1]
    axes, kept = _principal_axes(right)
    if kept + 1 > WORTHWHILE * dimension:
        return Screen(left, right, np.zeros(len(left), dtype=np.float32), np.zeros(len(right), dtype=np.float32))
    (left_kept, left_rest), (right_kept, right_rest) = (_split(part, axes, kept) for part in (left, right))
    return Screen(left_kept, right_kept, left_rest, right_rest)


def _principal_axes(vectors: np.ndarray) -> tuple[np.ndarray, int]:
    """Return orthogonal columns, the most important first, and how many leave no more than REST."""
    values, axes = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    rest = np.maximum(values.cumsum(), 0.0)[::-1]
    kept = int((rest > REST * rest[0]).sum())
    return axes[:, ::-1].astype(np.float32), -(-(kept + 1) // MULTIPLE) * MULTIPLE - 1


def _split(vectors: np.ndarray, axes: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the kept dimensions followed by the length of the rest, and that length."""
    turned = vectors @ axes
    rest = np.linalg.norm(turned[:, kept:], axis=1).astype(np.float32)
    return np.concatenate([turned[:, :kept], rest[:, None]], axis=1), rest
