"""Bounds may be loose, but nothing that matters is lost, however long the shapes and whatever the vectors lie in."""

import numpy as np
import pytest

from stages.map_embeddings import candidates
from stages.map_embeddings.screen import make_screen
from stages.map_embeddings.similarity import softmax_of_nearest, sparsemax_of_cosines, unit_rows


def drawn(rows, decay, seed):
    """Vectors whose dimensions shrink, as those of little text do, turned so that every axis has its part."""
    generator = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((40, 40)))[0]
    return unit_rows(generator.standard_normal((rows, 40)) * np.exp(-decay * np.arange(40)) @ turn)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_products_of_a_screen_are_no_less_than_the_cosines(decay):
    left, right = drawn(50, decay, 2), drawn(300, decay, 3)
    screen = make_screen(left, right)
    assert (screen.right.shape[1] < 40) == (decay > 0)
    over = screen.left @ screen.right.T - left @ right.T
    assert over.min() > -candidates.SLACK / 2
    assert (over < 2 * np.outer(screen.left_rest, screen.right_rest) + candidates.SLACK / 2).all()


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("columns", [4000, 4097, 9000])
def test_several_tiles_and_blocks_give_what_the_definition_gives(monkeypatch, columns, decay):
    monkeypatch.setattr(candidates, "BLOCK_ROWS", 16)
    left, right = drawn(40, decay, 2), drawn(columns, decay, 3)
    cosines = left.astype(np.float64) @ right.T.astype(np.float64)
    nearest = softmax_of_nearest(left, right, np.ones(columns, dtype=np.int64), 5, 0.1)
    expected = np.sort(np.argsort(-cosines, axis=1)[:, :5], axis=1)
    nearest.sort_indices()
    np.testing.assert_array_equal(nearest.indices.reshape(-1, 5), expected)
    weights = sparsemax_of_cosines(left, right)
    gradient = cosines - weights.toarray()  # sparsemax: one threshold, met where there is weight, no less elsewhere
    threshold = (gradient * (weights.toarray() > 0)).sum(axis=1) / (weights.toarray() > 0).sum(axis=1)
    np.testing.assert_allclose(np.minimum(cosines, threshold[:, None]), gradient, atol=1e-9)
    np.testing.assert_allclose(np.asarray(weights.sum(axis=1)).ravel(), 1.0)


def test_neither_the_order_of_rows_nor_blocks_change_a_bit(monkeypatch):
    left, right = drawn(60, 0.0, 2), drawn(5000, 0.0, 3)
    first = sparsemax_of_cosines(left, right)
    monkeypatch.setattr(candidates, "BLOCK_ROWS", 7)
    monkeypatch.setattr(candidates, "MOST_THREADS", 1)
    order = np.random.default_rng(4).permutation(60)
    second = sparsemax_of_cosines(left[order], right)
    assert np.array_equal(second.toarray(), first[order].toarray())
