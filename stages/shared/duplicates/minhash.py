"""MinHash signatures of documents and the hashes of their bands (Broder 1997; Indyk and Motwani 1998)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stages.shared.duplicates.settings import MinHashSettings
from stages.shared.duplicates.word_hashes import Hashes, Words, grams, hash_words, mix, run_hashes

BLOCK = 1 << 15
"""n-grams hashed at a time: two arrays of them fit into the second-level cache."""
NO_WORDS = np.iinfo(np.uint32).max
NO_BAND = 0


class Signatures(NamedTuple):
    """What is stored of documents to find near duplicates: 8 x bands + 2 x bands x rows bytes each."""

    bands: np.ndarray
    """uint64 (bands, documents): a hash of the band's numbers, NO_BAND where a document has no words."""
    rows: np.ndarray
    """uint16 (documents, bands x rows): the lower half of each minimum; the share that agrees estimates similarity."""


def signatures(texts: Sequence[str], settings: MinHashSettings) -> Signatures:
    """Return the signatures of a batch of texts, best a few megabytes; those of a text do not depend on the others."""
    minima = minimal_hashes(hash_words(texts), settings)
    bands = np.empty((settings.bands, len(texts)), np.uint64)
    for number, rows in enumerate(minima.reshape(settings.bands, settings.rows, -1)):
        hashed = np.full(len(texts), number + 1, np.uint64)
        for row in rows:
            hashed = mix(hashed ^ row)
        bands[number] = hashed
    bands[:, minima[0] == NO_WORDS] = NO_BAND
    return Signatures(bands, np.ascontiguousarray(minima.T.astype(np.uint16)))


def minimal_hashes(words: Words, settings: MinHashSettings) -> np.ndarray:
    """Return the least hash of each text's n-grams under each of bands x rows permutations.

    uint32 (bands x rows, texts), NO_WORDS for a text without words. A permutation of the 32-bit hashes is the
    multiplication by an odd number modulo 2**32, which the processor does for eight at a time.
    """
    hashes, counts = gram_hashes(words, settings.gram_words)
    small = (hashes >> np.uint64(32)).astype(np.uint32)
    generator = np.random.default_rng(settings.seed)
    factors = generator.integers(0, 2**31, settings.bands * settings.rows, np.uint32) * np.uint32(2) + np.uint32(1)
    texts = np.flatnonzero(counts)
    ends = np.cumsum(counts[texts])
    minima = np.full((len(factors), len(texts)), NO_WORDS, np.uint32)
    buffer = np.empty(BLOCK, np.uint32)
    for begin in range(0, len(small), BLOCK):
        block = small[begin : begin + BLOCK]
        first, last = np.searchsorted(ends, [begin, begin + len(block) - 1], side="right")
        starts = np.concatenate([[0], ends[first:last] - begin])
        product = buffer[: len(block)]
        for factor, row in zip(factors, minima[:, first : last + 1], strict=True):
            np.multiply(block, factor, out=product)
            np.minimum(row, np.minimum.reduceat(product, starts), out=row)
    found = np.full((len(factors), len(counts)), NO_WORDS, np.uint32)
    found[:, texts] = minima
    return found


def gram_hashes(words: Words, size: int) -> tuple[Hashes, np.ndarray]:
    """Return the hashes of each text's n-grams, and how many each has; a shorter text is one n-gram."""
    first, counts = grams(words, size)
    lengths = np.diff(words.starts)
    short = np.flatnonzero((lengths < size) & (lengths > 0))
    begins = np.concatenate([first, words.starts[short]])
    ends = np.concatenate([first + size, words.starts[short + 1]])
    counts[short] = 1
    order = np.argsort(begins, kind="stable") if len(short) else slice(None)
    return run_hashes(words.hashes, begins[order], ends[order]), counts
