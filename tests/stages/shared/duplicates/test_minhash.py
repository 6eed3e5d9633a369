"""Signatures estimate Jaccard similarity, and do not depend on what else is in the batch."""

from pathlib import Path

import numpy as np
import pytest

from stages.shared.duplicates import minhash
from stages.shared.duplicates.minhash import NO_BAND, signatures
from stages.shared.duplicates.settings import MinHashSettings
from stages.shared.words import words

DATA = Path(__file__).parents[3] / "data"
SETTINGS = MinHashSettings(gram_words=5, bands=14, rows=8, threshold=0.75, seed=1)
PAGES = [
    page
    for name in ("dutch", "templated")
    for page in (DATA / f"{name}.txt").read_text(encoding="utf-8").strip().split("\n\n")
]


def jaccard(first, second):
    one, other = (set(zip(*(words(text)[place:] for place in range(5)), strict=False)) for text in (first, second))
    return len(one & other) / len(one | other)


def test_the_estimate_is_unbiased_and_as_exact_as_the_theory_says():
    pairs = [(page, "\n".join(page.split("\n")[: keep * 5])) for page in PAGES for keep in (1, 2, 3)]
    pairs = [pair for pair in pairs if len(words(pair[1])) >= 5]
    one, other = (signatures(side, SETTINGS).rows for side in zip(*pairs, strict=True))
    true = np.array([jaccard(*pair) for pair in pairs])
    errors = (one == other).mean(axis=1) - true
    expected = np.sqrt((true * (1 - true) / (SETTINGS.bands * SETTINGS.rows)).mean())
    assert abs(errors.mean()) < 0.01
    assert 0.7 * expected < errors.std() < 1.3 * expected
    assert true.std() > 0.2


def test_bands_agree_as_often_as_the_theory_says():
    """At similarity s, a band of r rows is equal with probability s ** r."""
    settings = SETTINGS.model_copy(update={"bands": 400, "rows": 2})
    page = max(PAGES, key=len)
    part = "\n".join(page.split("\n")[:-4])
    found = signatures([page, part], settings).bands
    true = jaccard(page, part)
    assert 0.3 < true < 0.95
    assert (found[:, 0] == found[:, 1]).mean() == pytest.approx(true**2, abs=0.1)


def test_a_signature_depends_on_its_text_alone(monkeypatch):
    texts = ["", *PAGES, "12 %", "één woord", "Één, woord!"]
    together = signatures(texts, SETTINGS)
    monkeypatch.setattr(minhash, "BLOCK", 50)  # pages go on from block to block
    for number in (0, 1, 5, len(texts) - 3, len(texts) - 2, len(texts) - 1):
        alone = signatures([texts[number]], SETTINGS)
        assert np.array_equal(alone.bands[:, 0], together.bands[:, number])
        assert np.array_equal(alone.rows[0], together.rows[number])
    apart = signatures(texts, SETTINGS)
    assert np.array_equal(apart.bands, together.bands)
    assert np.array_equal(apart.rows, together.rows)


def test_texts_without_words_have_no_bands_and_short_ones_do():
    bands = signatures(["", "12 %", "één woord", "Één, woord!", "een ander woord"], SETTINGS).bands
    assert (bands[:, :2] == NO_BAND).all()
    assert (bands[:, 2:] != NO_BAND).all()
    assert np.array_equal(bands[:, 2], bands[:, 3])
    assert not np.array_equal(bands[:, 2], bands[:, 4])
    assert signatures([], SETTINGS).bands.shape == (14, 0)


def test_another_seed_is_another_signature():
    other = SETTINGS.model_copy(update={"seed": 2})
    assert (signatures(PAGES, SETTINGS).rows == signatures(PAGES, other).rows).mean() < 0.01


def test_too_many_numbers_are_refused():
    with pytest.raises(ValueError, match="bands x rows is 8000"):
        MinHashSettings(gram_words=5, bands=1000, rows=8, threshold=0.75, seed=1)
