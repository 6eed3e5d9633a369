"""The vectorised ChrF against sacrebleu's, one pair at a time."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from stages.shared.decoding.minimum_bayes_risk import most_alike, pairwise_chrf

PAIRS = Path("tests/data/en-tt.tsv").read_text(encoding="utf-8").splitlines()


def brute_force(texts):
    chrf = CHRF()
    return np.array([[chrf.sentence_score(text, [other]).score for other in texts] for text in texts])


@given(st.lists(st.text(st.sampled_from("aab бҗ\t\u3000.'")), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_the_same_as_sacrebleu_for_repetitions_whitespace_and_texts_shorter_than_an_ngram(texts):
    np.testing.assert_allclose(pairwise_chrf(texts), brute_force(texts), rtol=0, atol=1e-9)


@given(st.lists(st.text(), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_the_same_as_sacrebleu_for_any_characters(texts):
    np.testing.assert_allclose(pairwise_chrf(texts), brute_force(texts), rtol=0, atol=1e-9)


def test_the_same_as_sacrebleu_on_real_sentences():
    texts = [line.split("\t")[1] for line in PAIRS[:24]]
    np.testing.assert_allclose(pairwise_chrf(texts), brute_force(texts), rtol=0, atol=1e-9)


def test_blocks_give_what_the_whole_gives(monkeypatch):
    texts = [line.split("\t")[0] for line in PAIRS[:9]]
    whole = pairwise_chrf(texts)
    monkeypatch.setattr("stages.shared.decoding.minimum_bayes_risk.BLOCK", 1)
    assert (pairwise_chrf(texts) == whole).all()


def test_the_choice_is_the_brute_force_one_and_the_first_of_equals():
    texts = [line.split("\t")[1] for line in PAIRS[:8]]
    assert most_alike(texts) == int(np.argmax(brute_force(texts).mean(axis=1)))
    assert most_alike(["", "een huis", "een huis", "boom"]) == 1
    assert most_alike(["", ""]) == 0
    with pytest.raises(ValueError, match="no texts"):
        most_alike([])
