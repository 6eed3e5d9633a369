"""The lexicon of word alignment on real pairs: probabilities, and pairs that do not belong together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_case import DATA

from stages.ingest_bitext.lexicon import TOLD, Lexicon, train

PAIRS = [line.split("\t") for line in (DATA / "en-nl.tsv").read_text().splitlines()]
SOURCES, TARGETS = [pair[0] for pair in PAIRS], [pair[1] for pair in PAIRS]
TEXTS = st.lists(st.tuples(*[st.text("abc ", max_size=12)] * 2), max_size=12)


@pytest.fixture(scope="module")
def lexicon():
    return train(SOURCES, TARGETS, min_count=2)


def test_each_source_word_has_a_distribution(lexicon):
    given_words = lexicon.keys // len(lexicon.target)
    sums = np.bincount(given_words, lexicon.probability)
    assert sums[np.unique(given_words)] == pytest.approx(1)
    assert lexicon.frequency.sum() == pytest.approx(1)


def test_pairs_that_belong_together_score_higher(lexicon):
    true, words = lexicon.scores(SOURCES, TARGETS)
    shifted, others = lexicon.scores(SOURCES, TARGETS[7:] + TARGETS[:7])
    enough = (words >= 3) & (others >= 3)
    assert enough.sum() > 100
    assert (true[enough] > 0.5).mean() > 0.95
    assert (shifted[enough] < 0.5).mean() > 0.9


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_scores_are_bounded_and_those_of_a_pair_are_its_own(known, judged):
    made = train([pair[0] for pair in known], [pair[1] for pair in known], min_count=1)
    scores, words = made.scores([pair[0] for pair in judged], [pair[1] for pair in judged])
    assert len(scores) == len(words) == len(judged)
    assert (scores >= np.log(1 - TOLD) - 1e-9).all()
    for number, pair in enumerate(judged):
        alone, counted = made.scores([pair[0]], [pair[1]])
        assert alone[0] == pytest.approx(scores[number])
        assert counted[0] == words[number]


def test_saved_and_loaded(lexicon, tmp_path):
    lexicon.save(tmp_path / "lexicon.npz")
    again = Lexicon.load(tmp_path / "lexicon.npz")
    assert all((one == other).all() for one, other in zip(lexicon, again, strict=True))
