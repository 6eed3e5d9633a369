"""Is a held-out sentence in the training text?"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

import regex

GRAM_WORDS = 13  # as in the overlap studies of GPT-3 and after
WORD = regex.compile(r"[\p{L}\p{M}]+")
ASCII_WORD = re.compile(r"[a-z]+")  # the same for ASCII text, several times as fast
SENTENCE_END = regex.compile(r"(?<=[.!?…։。])[\"'”’»)]*\s+")


def words(text: str) -> list[str]:
    """Return a text's words as they are compared: without case, digits and punctuation."""
    if text.isascii():
        return ASCII_WORD.findall(text.lower())
    return list(WORD.findall(unicodedata.normalize("NFC", text).casefold()))


def comparable(text: str) -> str:
    """Return a text by which two count as the same: case, digits, punctuation and spaces do not matter.

    >>> comparable("Stap 1: Klik  op OK!") == comparable("stap 2 - klik op ok")
    True
    """
    return " ".join(words(text))


def keys(line: str) -> Iterator[str]:
    """Yield all by which a line is compared: itself, each sentence in it, each run of 13 words.

    What has no letters is left out.
    """
    whole = words(line)
    if whole:
        yield " ".join(whole)
    sentences = SENTENCE_END.split(line)
    if len(sentences) > 1:
        yield from filter(None, map(comparable, sentences))
    for first in range(len(whole) - GRAM_WORDS + 1):
        yield " ".join(whole[first : first + GRAM_WORDS])


class SentenceIndex:
    """The sentences and 13-grams of some lines, for example of all held-out ones."""

    def __init__(self, lines: Iterable[str]) -> None:
        # A 13-gram that is a sentence elsewhere may count as one: it is the same run of words.
        self.keys = {key for line in lines for key in keys(line)}

    def overlaps(self, line: str) -> bool:
        """Tell whether the line, a sentence of it or 13 words in a row are in the index."""
        return any(key in self.keys for key in keys(line))

    def restricted_to(self, lines: Iterable[str]) -> "SentenceIndex":
        """Return what of this index is in the lines, which are read once and not kept."""
        found = SentenceIndex([])
        found.keys = {key for line in lines for key in keys(line) if key in self.keys}
        return found
