"""The words of many texts as 64-bit hashes, by array operations.

A word is hashed as a polynomial in an odd base over random 64-bit values of its characters, a run of words as one in
another base over its words' hashes. So the hash of any run is a difference of two prefix sums (Karp and Rabin, 1987).
All is modulo 2**64 and fixed by constants: the same in each process and on each machine. Among n different runs of real
text two share a hash with a probability of about n**2 / 2**65; text may be made up so that it collides (two words over
two letters, 1,024 long and more).
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import regex

from stages.shared.words import WORD, fold

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]

CHARACTERS = 0x110000
BLOCK = 1 << 16
"""Characters hashed at a time, so that the tables of powers stay in the cache."""
CHARACTER_BASE, WORD_BASE = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95  # odd: they have inverses
SEPARATOR = "\n"
END, CLOSING, SPACE = 1, 2, 3
"""What a sentence ends with: one of END, any number of CLOSING, some SPACE."""
MARKS = {END: r"[.!?…։。]", CLOSING: "[\"'”’»)]", SPACE: r"\s"}


class Words(NamedTuple):
    """The words of some texts, one text after the other."""

    hashes: Hashes
    """One a word."""
    starts: Numbers
    """Text number t has the words starts[t] to starts[t + 1]; one more than there are texts."""
    sentences: Numbers
    """Numbers of the words with which a sentence begins within a text, ascending."""


def hash_words(texts: Sequence[str], sentences: bool = False) -> Words:
    """Return the words of a batch of texts, as `words` splits them; where sentences begin only if asked for.

    Give a few megabytes at a time: the arrays are several times as large as the text.
    """
    folded = [fold(text) for text in texts]
    joined = SEPARATOR.join(folded).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(joined, np.uint32)
    lengths = np.fromiter(map(len, folded), np.int64, len(folded))
    hashes, begins = _hash_blocks(codes)
    borders = np.concatenate([[0], np.cumsum(lengths + 1)])
    cuts = _sentence_ends(codes) if sentences else np.empty(0, np.int64)
    return Words(hashes, np.searchsorted(begins, borders), np.unique(np.searchsorted(begins, cuts)))


def run_hashes(hashes: Hashes, first: Numbers, last: Numbers) -> Hashes:
    """Return the hash of each run of words, hashes[first[i]:last[i]]; runs of equal words have equal hashes."""
    power, inverse = powers(WORD_BASE, 1 << len(hashes).bit_length())
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(hashes * power[: len(hashes)], out=sums[1:])
    return (sums[last] - sums[first]) * inverse[first]


def grams(words: Words, size: int) -> tuple[Numbers, Numbers]:
    """Return the first word of each run of `size` words within a text, ascending, and how many each text has."""
    lengths = np.diff(words.starts)
    left = np.repeat(words.starts[1:], lengths) - np.arange(words.starts[0], words.starts[-1])
    return np.flatnonzero(left >= size), np.maximum(lengths - size + 1, 0)


def mix(values: Hashes) -> Hashes:
    """Return 64-bit numbers of which each bit depends on all bits of the given ones (MurmurHash3's finaliser)."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        values = (values ^ (values >> np.uint64(33))) * np.uint64(factor)
    return values ^ (values >> np.uint64(33))


@cache
def powers(base: int, count: int) -> tuple[Hashes, Hashes]:
    """Return the first powers of a base and of its inverse modulo 2**64."""
    both = np.ones((2, count), np.uint64)
    both[0, 1:], both[1, 1:] = base, pow(base, -1, 2**64)
    np.multiply.accumulate(both, axis=1, out=both)
    return both[0], both[1]


@cache
def _character_values() -> Hashes:
    """Return for each code point a random number, or 0 where it is no part of a word."""
    values = np.zeros(CHARACTERS, np.uint64)
    for place in _places(WORD.pattern):
        values[place] = mix(np.arange(place.start, place.stop, dtype=np.uint64) + np.uint64(CHARACTER_BASE))
    return values


@cache
def _character_marks() -> np.ndarray:
    marks = np.zeros(CHARACTERS, np.uint8)
    for mark, pattern in MARKS.items():
        for place in _places(pattern + "+"):
            marks[place] = mark
    return marks


def _places(pattern: str) -> list[slice]:
    """Return the ranges of code points that match."""
    every = np.arange(CHARACTERS, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    return [slice(*match.span()) for match in regex.finditer(pattern, every)]


def _hash_blocks(codes: np.ndarray) -> tuple[Hashes, Numbers]:
    """Return the hash of each word of a text of code points, and where it begins."""
    values, hashes, begins = _character_values(), [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    begin, size = 0, BLOCK
    while begin < len(codes):
        block = np.take(values, codes[begin : begin + size], mode="clip")
        inside = block != 0
        if begin + size < len(codes):  # a word that goes on is left to the next block
            outside = np.flatnonzero(~inside)
            if not len(outside):
                size *= 2
                continue
            block, inside = block[: outside[-1] + 1], inside[: outside[-1] + 1]
        edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
        power, inverse = powers(CHARACTER_BASE, size)
        sums = np.zeros(len(block) + 1, np.uint64)
        np.cumsum(block * power[: len(block)], out=sums[1:])
        first, last = edges[::2], edges[1::2]
        hashes.append(mix((sums[last] - sums[first]) * inverse[first]))
        begins.append(first + begin)
        begin, size = begin + len(block), BLOCK
    return np.concatenate(hashes), np.concatenate(begins)


def _sentence_ends(codes: np.ndarray) -> Numbers:
    """Return the places of the first white space after each sentence."""
    marks = np.take(_character_marks(), codes, mode="clip")
    if not (marks == END).any():
        return np.empty(0, np.int64)
    space = marks == SPACE
    ends = np.flatnonzero(space[1:] & ~space[:-1]) + 1
    before = marks[ends - 1]
    closed = ends[before == CLOSING]
    other = np.flatnonzero(marks != CLOSING)
    place = np.searchsorted(other, closed) - 1
    closed = closed[(place >= 0) & (marks[other[np.maximum(place, 0)]] == END)]
    return np.concatenate([ends[before == END], closed])
