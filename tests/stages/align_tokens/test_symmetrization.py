"""Counts of two directions: against a worked example, and what must hold for any sentences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.align_tokens import expected_counts as counting
from stages.align_tokens.grow_diagonal import grow_diag_final_and
from stages.align_tokens.lexicon import Lexicon, Lexicons
from stages.align_tokens.word_units import Sentences

WAYS = ("none", "agreement", "intersection", "grow_diag_final_and")
WORDS = 4
SIDE = st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=5)
BITEXT = st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=6)


def sentences(rows):
    units = np.array([unit for row in rows for unit in row], dtype=np.int32)
    return Sentences(units, np.concatenate([[0], np.cumsum([len(row) for row in rows])]))


def lexicon(table):
    """From a table, shape (source words + 1, target words), row 0 the null word's."""
    keys = np.flatnonzero(table)
    return Lexicon(keys, table.ravel()[keys].astype(np.float32), table.shape[1])


def counts_of(pairs, lexicons, way):
    found = counting.count_pairs(sentences([p[0] for p in pairs]), sentences([p[1] for p in pairs]), lexicons, way)
    table = np.zeros((WORDS + 1) * WORDS)
    table[found.keys] = found.counts
    return table.reshape(WORDS + 1, WORDS)


def random_lexicons(seed, zeros=0.3):
    generator = np.random.default_rng(seed)
    tables = [generator.random((WORDS + 1, WORDS)) * (generator.random((WORDS + 1, WORDS)) > zeros) for _ in range(2)]
    return Lexicons(*(lexicon(table) for table in tables))


def dense(lexicon_):
    table = np.zeros((WORDS + 1) * WORDS)
    table[lexicon_.keys] = lexicon_.probabilities
    return table.reshape(WORDS + 1, WORDS)


def posteriors(source, target, table):
    """By the book: shape (target words, source words), without the null word's."""
    found = np.zeros((len(target), len(source)))
    for j, word in enumerate(target):
        shares = np.array([table[0, word], *(table[s + 1, word] for s in source)])
        if shares.sum() > 0:
            found[j] = shares[1:] / shares.sum()
    return found


def test_a_worked_example():
    # One sentence, source 0 1, target 0 1. P(t | s): null 0.2 0.2, word 0: 0.6 0.2, word 1: 0.2 0.6.
    forward = np.zeros((5, 4))
    forward[:3, :2] = [[0.2, 0.2], [0.6, 0.2], [0.2, 0.6]]
    # P(s | t): null 0.1 0.1, word 0: 0.8 0.3, word 1: 0.1 0.1. So source 1 is most like from target 0 too: 0.3 of 0.5.
    reverse = np.zeros((5, 4))
    reverse[:3, :2] = [[0.1, 0.1], [0.8, 0.3], [0.1, 0.1]]
    lexicons = Lexicons(lexicon(forward), lexicon(reverse))
    pairs = [([0, 1], [0, 1])]
    agreed = counts_of(pairs, lexicons, "agreement")
    expected = np.array([[0.6 * 0.8, 0.2 * 0.1], [0.2 * 0.3 / 0.5, 0.6 * 0.1 / 0.5]])
    np.testing.assert_allclose(agreed[1:3, :2], expected, rtol=1e-6)
    assert agreed.sum() == pytest.approx(expected.sum())
    # Links: 0-0 and 1-1 forwards, 0-0 and 1-0 backwards.
    assert counts_of(pairs, lexicons, "intersection")[1:3, :2].tolist() == [[1, 0], [0, 0]]
    # 1-0 is beside 0-0 and gives source word 1 its first link; then 1-1 gives target word 1 its first.
    assert counts_of(pairs, lexicons, "grow_diag_final_and")[1:3, :2].tolist() == [[1, 0], [1, 1]]


@settings(max_examples=60, deadline=None)
@given(pairs=BITEXT, seed=st.integers(0, 99))
def test_agreement_is_the_product_of_the_posteriors(pairs, seed):
    lexicons = random_lexicons(seed)
    tables = dense(lexicons.forward), dense(lexicons.reverse)
    expected = np.zeros((WORDS, WORDS))
    for source, target in pairs:
        product = posteriors(source, target, tables[0]) * posteriors(target, source, tables[1]).T
        for j, t in enumerate(target):
            for i, s in enumerate(source):
                expected[s, t] += product[j, i]
    found = counts_of(pairs, lexicons, "agreement")
    np.testing.assert_allclose(found[1:], expected, atol=1e-9)
    assert not found[0].any()


@settings(max_examples=60, deadline=None)
@given(pairs=BITEXT, seed=st.integers(0, 99))
def test_what_holds_of_all_counts(pairs, seed):
    lexicons = random_lexicons(seed)
    back = Lexicons(lexicons.reverse, lexicons.forward)
    swapped = [(target, source) for source, target in pairs]
    here, there = counts_of(pairs, lexicons, "none"), counts_of(swapped, back, "none")
    found = {way: counts_of(pairs, lexicons, way) for way in WAYS}
    assert (found["agreement"] <= here + 1e-9).all()
    assert (found["agreement"][1:] <= there[1:].T + 1e-9).all()
    for way in ("agreement", "intersection"):
        np.testing.assert_allclose(found[way][1:], counts_of(swapped, back, way)[1:].T, atol=1e-9)
    assert (found["intersection"] <= found["grow_diag_final_and"]).all()
    assert here.sum() <= sum(len(target) for _, target in pairs) + 1e-6
    # One link a target word at most, in the intersection also one a source word.
    assert found["intersection"].sum() <= sum(min(map(len, pair)) for pair in pairs)


@pytest.mark.parametrize("way", WAYS)
def test_counts_do_not_depend_on_the_chunks(way, monkeypatch):
    generator = np.random.default_rng(3)
    pairs = [[generator.integers(0, WORDS, generator.integers(1, 6)).tolist() for _ in "ab"] for _ in range(60)]
    lexicons = random_lexicons(1)
    whole = counts_of(pairs, lexicons, way)
    monkeypatch.setattr(counting, "CHUNK_PAIRS", 20)
    np.testing.assert_allclose(counts_of(pairs, lexicons, way), whole, atol=1e-9)


def by_the_book(forward, reverse):
    """grow-diag-final-and as Koehn wrote it: whole passes over the table until nothing is added."""
    links, union, added = forward & reverse, forward | reverse, True
    neighbours = [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    while added:
        added = False
        for i in range(len(links)):
            for j in range(len(links[0])):
                for a, b in [(i + x, j + y) for x, y in neighbours] if links[i, j] else []:
                    inside = 0 <= a < len(links) and 0 <= b < len(links[0])
                    if inside and union[a, b] and not (links[a].any() and links[:, b].any()):
                        links[a, b] = added = True
    for direction in (forward, reverse):
        for i, j in zip(*np.nonzero(direction), strict=True):
            if not links[i].any() and not links[:, j].any():
                links[i, j] = True
    return links


@settings(max_examples=150, deadline=None)
@given(m=st.integers(1, 7), n=st.integers(1, 7), seed=st.integers(0, 10_000))
def test_grow_diag_final_and_is_koehns(m, n, seed):
    generator = np.random.default_rng(seed)
    forward, reverse = (generator.random((m, n)) < 0.35 for _ in range(2))
    assert grow_diag_final_and(forward, reverse).tolist() == by_the_book(forward, reverse).tolist()
