"""Is a held-out sentence in the training text?"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from stages.shared.duplicates.text_hashes import save_array
from stages.shared.duplicates.word_hashes import Hashes, Numbers, grams, hash_words, run_hashes

GRAM_WORDS = 13  # as in the overlap studies of GPT-3 and after
BATCH_CHARACTERS = 1 << 20
SLOTS = 8
"""Entries of a filter for each key in a set: so one of eight absent keys is looked for."""


def line_keys(lines: Sequence[str], least_words: int = 1) -> tuple[Hashes, Numbers]:
    """Return hashes of all by which lines are compared, and for each the number of its line, in no special order.

    A line's keys are its words (without case, digits and punctuation), those of each sentence in it, and each run of 13
    words. What has fewer than `least_words` has no key.
    """
    words = hash_words(lines, sentences=True)
    borders = np.union1d(words.starts, words.sentences)
    of_line = np.zeros(len(words.hashes) + 1, bool)
    of_line[words.starts] = True
    inside = ~(of_line[borders[:-1]] & of_line[borders[1:]])
    runs, _ = grams(words, GRAM_WORDS)
    first = np.concatenate([words.starts[:-1], borders[:-1][inside], runs])
    last = np.concatenate([words.starts[1:], borders[1:][inside], runs + GRAM_WORDS])
    enough = last - first >= max(1, least_words)
    first, last = first[enough], last[enough]
    return run_hashes(words.hashes, first, last), np.searchsorted(words.starts, first, side="right") - 1


def hash_texts(texts: Iterable[str]) -> tuple[Hashes, Numbers]:
    """Return the hashes of all texts' words, and where each text's begin; one more than there are texts."""
    parts = [hash_words(batch) for batch in batches(texts)]
    lengths = [np.diff(part.starts) for part in parts]
    words = np.concatenate([np.empty(0, np.uint64), *(part.hashes for part in parts)])
    return words, np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *lengths]))])


def text_keys(texts: Iterable[str]) -> Hashes:
    """Return a hash of each text, the same for texts that differ in case, digits and punctuation alone."""
    words, starts = hash_texts(texts)
    return run_hashes(words, starts[:-1], starts[1:])


class KeySet:
    """A set of hashes as a sorted array, with a filter before it; 16 to 24 bytes a key."""

    def __init__(self, keys: Hashes) -> None:
        self.keys = keys

    @cached_property
    def _filter(self) -> tuple[np.ndarray, np.uint64]:
        bits = max(8, (SLOTS * len(self.keys)).bit_length())
        shift = np.uint64(64 - bits)
        there = np.zeros(1 << bits, bool)
        there[self.keys >> shift] = True
        return there, shift

    def find(self, keys: Hashes) -> tuple[Numbers, Numbers]:
        """Return which of some keys are in the set, and the place of the first such key there."""
        there, shift = self._filter
        maybe = np.flatnonzero(there[keys >> shift])
        places = np.searchsorted(self.keys, keys[maybe])
        found = self.keys[np.minimum(places, len(self.keys) - 1)] == keys[maybe] if len(maybe) else maybe < 0
        return maybe[found], places[found]


class SentenceIndex:
    """The sentences and 13-grams of some lines, for example of all held-out ones, by hashes of eight bytes."""

    def __init__(self, lines: Iterable[str]) -> None:
        # A 13-gram that is a sentence elsewhere may count as one: it is the same run of words.
        found = [np.unique(line_keys(batch)[0]) for batch in batches(lines)]
        self.set = KeySet(np.unique(np.concatenate([np.empty(0, np.uint64), *found])))

    @classmethod
    def of_keys(cls, keys: Hashes) -> "SentenceIndex":
        """Return an index of such sorted keys, all different."""
        index = cls([])
        index.set = KeySet(keys)
        return index

    @classmethod
    def load(cls, path: Path) -> "SentenceIndex":
        """Return a saved index; several processes share its memory."""
        return cls.of_keys(np.load(path, mmap_mode="r"))

    def save(self, path: Path) -> None:
        """Write an .npy file."""
        save_array(path, self.set.keys)

    def overlaps(self, line: str) -> bool:
        """Tell whether the line, a sentence of it or 13 words in a row are in the index."""
        return bool(self.overlapping([line])[0])

    def overlapping(self, lines: Sequence[str], least_words: int = 1) -> np.ndarray:
        """Tell of each line whether it overlaps in as many words: a bool array.

        Many together take a hundredth of the time.
        """
        keys, numbers = line_keys(lines, least_words)
        found = np.zeros(len(lines), bool)
        found[numbers[self.set.find(keys)[0]]] = True
        return found

    def count(self, lines: Iterable[str]) -> int:
        """Return how many of the lines overlap."""
        return sum(int(self.overlapping(batch).sum()) for batch in batches(lines))

    def restricted_to(self, lines: Iterable[str]) -> "SentenceIndex":
        """Return what of this index is in the lines, which are read once and not kept."""
        there = np.zeros(len(self.set.keys), bool)
        for batch in batches(lines):
            there[self.set.find(line_keys(batch)[0])[1]] = True
        return SentenceIndex.of_keys(self.set.keys[there])


def batches(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield lists of lines of about a million characters."""
    batch, characters = [], 0
    for line in lines:
        batch.append(line)
        characters += len(line)
        if characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
