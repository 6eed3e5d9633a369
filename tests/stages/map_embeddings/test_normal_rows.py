"""Drawn rows have the mean and the covariance of the table's, by both of the ways to draw them."""

import numpy as np
import pytest

from stages.map_embeddings import normal_rows as drawing
from stages.map_embeddings.normal_rows import normal_rows

FEW, MANY = 1, 1_000
"""Fewer and more rows than the tables here have columns: each takes its own way."""


def table(rows, columns, rank):
    generator = np.random.default_rng(1)
    mixed = generator.standard_normal((rows, rank)) @ generator.standard_normal((rank, columns))
    return (mixed + 5 * generator.standard_normal(columns)).astype(np.float32)


@pytest.mark.parametrize("number", [FEW, MANY])
def test_mean_and_covariance_are_those_of_the_table(monkeypatch, number):
    monkeypatch.setattr(drawing, "CENTRED_ROWS", 7)
    monkeypatch.setattr(drawing, "PANEL", 4)
    source = table(40, 6, 6)
    drawn = normal_rows(source, number, [1])(100_000)
    scale = np.cov(source.T).max()
    np.testing.assert_allclose(drawn.mean(axis=0), source.mean(axis=0), atol=0.02 * scale**0.5)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(source.T), atol=0.03 * scale)
    fourth = ((drawn - drawn.mean(axis=0)) ** 4).mean(axis=0) / drawn.var(axis=0) ** 2
    np.testing.assert_allclose(fourth, 3.0, atol=0.15)  # that of a normal distribution


@pytest.mark.parametrize("number", [FEW, MANY])
@pytest.mark.parametrize(("rows", "rank"), [(4, 3), (40, 2), (40, 0), (1, 6)])
def test_a_table_of_any_rank_has_draws_in_its_own_span(number, rows, rank):
    source = table(rows, 6, rank)
    drawn = normal_rows(source, number, [1])(20)
    centred = source - source.mean(axis=0)
    inside = np.linalg.pinv(centred, rcond=1e-5) @ centred
    beside = (drawn - source.mean(axis=0)) @ (np.eye(6) - inside)
    np.testing.assert_allclose(beside, 0.0, atol=1e-4)
    assert (len(np.unique(drawn.round(3), axis=0)) == 20) == (min(rows - 1, rank) > 0)


@pytest.mark.parametrize("number", [FEW, MANY])
def test_a_seed_gives_the_same_rows_however_many_at_once(monkeypatch, number):
    source = table(40, 6, 6)
    whole = normal_rows(source, number, [1, 0])(30)
    monkeypatch.setattr(drawing, "DRAWN_NUMBERS", 100)
    draw = normal_rows(source, number, [1, 0])
    np.testing.assert_allclose(np.concatenate([draw(7), draw(23)]), whole, rtol=1e-5, atol=1e-5)
    assert not np.allclose(normal_rows(source, number, [1, 1])(30), whole, atol=0.1)
