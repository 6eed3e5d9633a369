"""Written answers against right ones, as SQuAD's and MLQA's scripts compare them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answer_questions.answer_scores import exact_match, normalise_answer, score_answer, token_f1

TEXT = st.text(st.characters(categories=["L", "M", "P", "Zs", "Nd"]), max_size=40)


@pytest.mark.parametrize(
    ("written", "answers", "exact", "f1"),
    [
        ("The Denver Broncos!", ["Denver Broncos"], 1, 1),
        ("the  DENVER broncos.", ["a Denver Broncos"], 1, 1),
        ("Denver", ["Denver Broncos"], 0, 2 / 3),
        ("Denver Denver Broncos", ["Denver Broncos"], 0, 0.8),
        ("Carolina", ["Denver Broncos", "carolina panthers"], 0, 2 / 3),
        ("", ["Denver"], 0, 0),
        ("the", ["a"], 1, 1),  # neither has a word left
        ("«Акыл һәм вөҗдан»…", ["акыл һәм вөҗдан"], 1, 1),
        ("anthem", ["them an"], 0, 0),  # articles are words, not parts of them
    ],
)
def test_known_answers(written, answers, exact, f1):
    found = score_answer(written, answers, ["a", "an", "the"])
    assert found == {"exact_match": exact, "f1": pytest.approx(f1)}


def test_articles_are_those_of_the_settings():
    assert score_answer("the house", ["house"], [])["exact_match"] == 0
    assert score_answer("HET Huis", ["huis"], ["het"])["exact_match"] == 1


@given(TEXT, TEXT)
def test_scores_keep_their_bounds(one, other):
    one, other = normalise_answer(one, []), normalise_answer(other, [])
    f1 = token_f1(one, other)
    assert 0 <= exact_match(one, other) <= f1 <= 1
    assert f1 == pytest.approx(token_f1(other, one))
    assert token_f1(one, one) == 1


@given(TEXT)
def test_punctuation_and_case_do_not_count(text):
    found = normalise_answer(text, [])
    assert found == normalise_answer(f"«{text.casefold()}»?!", [])
    assert not any(unicodedata.category(character).startswith("P") for character in found)
