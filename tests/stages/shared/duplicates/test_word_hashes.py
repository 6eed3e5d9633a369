"""Hashes of words and of runs of words against words themselves."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.shared.duplicates import word_hashes
from stages.shared.duplicates.word_hashes import grams, hash_words, run_hashes
from stages.shared.words import words

DATA = Path(__file__).parents[3] / "data"
TEXTS = [(DATA / f"{name}.txt").read_text(encoding="utf-8") for name in ("dutch", "tatar", "english")]
REAL = "\n".join(TEXTS).split("\n")


def same_partition(first, second):
    """Tell whether two lists are equal at the same pairs of places."""
    return len(set(first)) == len(set(second)) == len(set(zip(first, second, strict=True)))


@settings(deadline=None)
@given(st.lists(st.text(max_size=50), max_size=10))
def test_words_are_those_of_the_definition(texts):
    found = hash_words(texts)
    every = [words(text) for text in texts]
    assert np.diff(found.starts).tolist() == list(map(len, every))
    assert same_partition(found.hashes.tolist(), [word for text in every for word in text])


def test_equal_words_have_equal_hashes_in_real_text(monkeypatch):
    found = hash_words(REAL)
    flat = [word for line in REAL for word in words(line)]
    assert same_partition(found.hashes.tolist(), flat)
    monkeypatch.setattr(word_hashes, "BLOCK", 7)  # nearly each word is longer than what is left of a block
    assert np.array_equal(hash_words(REAL).hashes, found.hashes)


def test_runs_are_equal_where_their_words_are():
    found = hash_words(REAL)
    flat = [word for line in REAL for word in words(line)]
    generator = np.random.default_rng(1)
    first = generator.integers(0, len(flat), 20_000)
    last = np.minimum(first + generator.integers(1, 6, 20_000), len(flat))
    runs = [tuple(flat[begin:end]) for begin, end in zip(first, last, strict=True)]
    assert len(set(runs)) < 0.95 * len(runs)
    assert same_partition(run_hashes(found.hashes, first, last).tolist(), runs)


def test_grams_stay_within_their_text():
    found = hash_words(["een twee drie", "", "vier", "vijf zes zeven acht"])
    first, counts = grams(found, 3)
    assert first.tolist() == [0, 4, 5]
    assert counts.tolist() == [1, 0, 0, 2]


def test_hashes_are_the_same_in_another_process():
    program = "from stages.shared.duplicates.word_hashes import *; print(*hash_words(['Één huis', 'тау']).hashes)"
    program += "; from stages.shared.duplicates.text_hashes import *; print(*text_hashes(['Één huis', '']))"
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    # Written down, because stored hashes must stay comparable.
    assert run.stdout.split() == EXPECTED


EXPECTED = ["16531963333463220434", "15127794839366044607", "13315425466557178553"]
EXPECTED += ["2930118447555120332", "3244421341483603138"]
