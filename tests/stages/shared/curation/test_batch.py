"""Words, lines and hashes are those of Python's own splitting, wherever a document stands."""

import numpy as np
from curation_case import batch, pages
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.shared.curation.batch import Batch
from stages.shared.curation.characters import LETTER, WORDY
from stages.shared.curation.hashing import Hasher
from stages.shared.language_identification import letters

TEXTS = st.lists(st.text("ab é.\n\t  …ә1\U0001d400", max_size=40), max_size=6)


@settings(deadline=None)  # the first call makes the table of characters
@given(TEXTS)
def test_words_and_lines_are_those_of_split(texts):
    found = Batch(texts)
    for number, text in enumerate(texts):
        for pieces, expected in ((found.words, text.split()), (found.lines, [x for x in text.split("\n") if x])):
            here = pieces.documents == number
            spans = zip(pieces.starts[here], pieces.ends[here], strict=True)
            assert [found.text(start, end) for start, end in spans] == expected


@settings(deadline=None)  # the first call makes the table of characters
@given(TEXTS, st.lists(st.booleans(), min_size=6, max_size=6))
def test_some_documents_of_a_batch_are_as_a_batch_of_their_own(texts, chosen):
    keep = np.array(chosen[: len(texts)], np.bool_)
    whole = Batch(texts)
    _ = whole.words  # kept; lines and bits are found afterwards
    some, alone = whole.select(keep), Batch([text for text, kept in zip(texts, keep, strict=True) if kept])
    assert some.texts == alone.texts
    for name in ("words", "lines"):
        here, there = getattr(some, name), getattr(alone, name)
        assert here.documents.tolist() == there.documents.tolist()
        assert here.hashes.tolist() == there.hashes.tolist()
    assert some.word_bits.tolist() == alone.word_bits.tolist()


def test_different_words_of_real_text_have_different_hashes():
    found = batch(*pages("dutch"), *pages("tatar"))
    spans = zip(found.words.starts, found.words.ends, strict=True)
    words = {found.text(start, end): hashed for (start, end), hashed in zip(spans, found.words.hashes, strict=True)}
    assert len(set(words.values())) == len(words) > 4000


def test_long_texts_are_hashed_like_short_ones(monkeypatch):
    points = np.arange(50, dtype=np.uint32)
    starts, ends = np.array([0, 20]), np.array([10, 50])
    short = Hasher(points).spans(starts, ends)
    monkeypatch.setattr("stages.shared.curation.hashing.KEPT_POWERS", 8)
    assert (Hasher(points).spans(starts, ends) == short).all()


def test_bits_tell_words_with_letters_and_words_of_marks():
    found = batch("één -- 12 ә! …")
    assert ((found.word_bits & LETTER) > 0).tolist() == [True, False, False, True, False]
    assert ((found.word_bits & WORDY) > 0).tolist() == [True, False, True, True, False]


def test_letters_are_those_of_the_language_identification():
    texts = [*pages("dutch"), *pages("tatar"), "𝐀 ب 中 é ² ª"]
    found = batch(*texts)
    marked = (found.bits & LETTER) > 0
    counted = [int(marked[start:end].sum()) for start, end in zip(found.starts, found.ends, strict=True)]
    assert counted == [letters(text) for text in texts]
