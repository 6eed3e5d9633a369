"""A batch of documents as arrays: its words and lines are found and hashed once, for all the rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.shared.curation.characters import SPACE, character_table
from stages.shared.curation.hashing import Hasher

Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]
NEWLINE = ord("\n")


@dataclass(frozen=True)
class Spans:
    """Pieces of the documents in the order of the text; all arrays have an element a piece."""

    starts: Integers
    """In characters of the whole batch."""
    ends: Integers
    documents: Integers
    """Which document of the batch a piece belongs to; rises."""
    hashes: Hashes
    """Of the characters, 64 bits; equal pieces have equal ones, and two others would by chance once in 2 ** 64."""

    @property
    def lengths(self) -> Integers:
        """Return the characters of each piece."""
        return self.ends - self.starts

    def select(self, pieces: Mask, numbers: Integers) -> "Spans":
        """Return the chosen pieces, their documents numbered anew."""
        documents = numbers[self.documents[pieces]]
        return Spans(self.starts[pieces], self.ends[pieces], documents, self.hashes[pieces])


class Batch:
    """Documents and what the rules ask of them; it is not changed, but what is asked for is kept.

    Words are what `str.split` gives, lines what `split("\\n")` gives without the empty ones.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        joined = "".join(f"{text}\n" for text in texts)
        self.points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        self.bits = character_table()[self.points]
        borders = np.concatenate([[0], np.cumsum([len(text) + 1 for text in texts], dtype=np.int64)])
        self.starts: Integers = borders[:-1]
        self.ends: Integers = borders[1:] - 1

    @property
    def lengths(self) -> Integers:
        """Return the characters of each document."""
        return self.ends - self.starts

    @cached_property
    def _hasher(self) -> Hasher:
        return Hasher(self.points)

    @cached_property
    def words(self) -> Spans:
        """Return the words."""
        inside = np.concatenate([[0], (self.bits & SPACE) == 0, [0]]).astype(np.int8)
        return self._spans(inside)

    @cached_property
    def lines(self) -> Spans:
        """Return the lines that are not empty."""
        inside = np.concatenate([[0], self.points != NEWLINE, [0]]).astype(np.int8)
        return self._spans(inside)

    @cached_property
    def word_bits(self) -> NDArray[np.uint8]:
        """Return for each word whether any of its characters is a LETTER, and WORDY."""
        words = self.words
        if not len(words.starts):
            return np.zeros(0, np.uint8)
        return np.bitwise_or.reduceat(self.bits, np.column_stack([words.starts, words.ends]).ravel())[::2]

    @cached_property
    def word_counts(self) -> Integers:
        """Return the words of each document."""
        return self.count(self.words.documents)

    @cached_property
    def line_counts(self) -> Integers:
        """Return the lines of each document."""
        return self.count(self.lines.documents)

    def count(self, documents: Integers) -> Integers:
        """Return how often each document is named."""
        return np.bincount(documents, minlength=len(self.texts))

    def sums(self, documents: Integers, weights: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sum of the weights by document."""
        return np.bincount(documents, weights, len(self.texts)).astype(np.float64)

    def within(self, characters: Mask, pieces: Spans) -> Integers:
        """Return how many of the marked characters, an element a character of the batch, each piece has."""
        sums = np.concatenate([[0], np.cumsum(characters, dtype=np.int64)])
        found: Integers = sums[pieces.ends] - sums[pieces.starts]
        return found

    def pieces_at(self, pieces: Spans, places: Integers) -> Integers:
        """Return the numbers of the pieces that hold one of the places, characters of the batch."""
        if not len(pieces.starts):
            return np.zeros(0, np.int64)
        numbers = np.searchsorted(pieces.starts, places, "right") - 1
        return np.unique(numbers[(numbers >= 0) & (places < pieces.ends[numbers])])

    def text(self, start: int, end: int) -> str:
        """Return the characters between two places of the batch."""
        return self.points[start:end].tobytes().decode("utf-32-le", "surrogatepass")

    def select(self, keep: Mask) -> "Batch":
        """Return the batch of some of the documents, with what was found about them."""
        chosen = object.__new__(Batch)
        chosen.texts = [self.texts[number] for number in np.flatnonzero(keep)]
        chosen.points, chosen.bits = self.points, self.bits
        chosen.starts, chosen.ends = self.starts[keep], self.ends[keep]
        numbers = np.cumsum(keep) - 1
        for name in ("words", "lines"):
            if name in self.__dict__:
                pieces = keep[self.__dict__[name].documents]
                chosen.__dict__[name] = self.__dict__[name].select(pieces, numbers)
        if "word_bits" in self.__dict__:
            chosen.__dict__["word_bits"] = self.word_bits[keep[self.words.documents]]
        if "_hasher" in self.__dict__:
            chosen.__dict__["_hasher"] = self._hasher
        return chosen

    def _spans(self, inside: NDArray[np.int8]) -> Spans:
        edges = np.flatnonzero(np.diff(inside))
        starts, ends = edges[::2], edges[1::2]
        documents = np.searchsorted(self.starts, starts, "right") - 1
        if not self.texts:
            starts = ends = documents = np.zeros(0, np.int64)
        elif len(self.bits) > self.lengths.sum() + len(self.texts):  # some documents are not of this batch any more
            here = (documents >= 0) & (ends <= self.ends[documents])
            starts, ends, documents = starts[here], ends[here], documents[here]
        return Spans(starts, ends, documents, self._hasher.spans(starts, ends))


def shares(parts: NDArray[Any], wholes: NDArray[Any]) -> NDArray[np.float64]:
    """Return parts / wholes, 0 where the whole is 0."""
    out = np.zeros(len(parts))
    np.divide(parts, wholes, out=out, where=wholes > 0)
    return out
