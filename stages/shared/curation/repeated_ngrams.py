"""Word n-grams that come more than once in a document, for a whole batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.shared.curation.batch import Batch, Integers, Mask
from stages.shared.curation.hashing import Hashes, combine, mix

BUCKETS_PER_KEY = 4


@dataclass(frozen=True)
class Repeated:
    """The n-grams of one n that their document holds twice or more; arrays have an element an occurrence."""

    n: int
    words: Integers
    """Number of its first word in the batch; rises."""
    groups: Integers
    """Equal n-grams of one document have the same number, from 0 without gaps."""


def repeated_ngrams(batch: Batch, longest: int) -> Iterator[Repeated]:
    """Yield the repeated n-grams for n = 2, 3, ... `longest`.

    An n-gram is repeated only where both (n-1)-grams in it are: so each n looks at few words more than the one before
    it found, and their numbers name it exactly. Two words alone are told apart by their hashes.
    """
    words = batch.words
    within = mix(words.hashes + mix(words.documents.astype(np.uint64)))
    pairs = np.flatnonzero(words.documents[1:] == words.documents[:-1])
    found = _repeated(2, pairs, combine(within[pairs], within[pairs + 1]))
    yield found
    for n in range(3, longest + 1):
        follows = found.words[1:] == found.words[:-1] + 1
        left, right = found.groups[:-1][follows], found.groups[1:][follows]
        # No larger than the square of the occurrences, so that 64 bits are enough.
        keys = (left * len(found.groups) + right).astype(np.uint64)
        found = _repeated(n, found.words[:-1][follows], keys)
        yield found


def _repeated(n: int, words: Integers, keys: Hashes) -> Repeated:
    likely = _likely_repeated(keys)
    words, keys = words[likely], keys[likely]
    order = np.argsort(keys)
    ordered = keys[order]
    fresh = np.ones(len(ordered), np.bool_)
    fresh[1:] = ordered[1:] != ordered[:-1]
    sizes = np.diff(np.append(np.flatnonzero(fresh), len(ordered)))
    many = np.repeat(sizes > 1, sizes)
    groups = np.full(len(keys), -1, np.int64)
    groups[order[many]] = np.cumsum(fresh[many]) - 1
    kept = groups >= 0
    return Repeated(n, words[kept], groups[kept])


def _likely_repeated(keys: Hashes) -> Mask:
    """Mark all keys that come twice, and a few more: counting buckets is cheaper than sorting."""
    bits = max(len(keys) * BUCKETS_PER_KEY, 1).bit_length()
    buckets = (mix(keys) >> np.uint64(64 - bits)).astype(np.int64)
    return np.bincount(buckets, minlength=1 << bits)[buckets] > 1


def counted_once(repeated: Repeated) -> NDArray[np.int64]:
    """Return the first words of the occurrences that were there before, as datatrove's `find_all_duplicate` walks.

    It goes from word to word, steps over an n-gram that it has seen, and does not see those which begin inside it: so
    no character is counted twice, as Rae et al. 2021 ask.
    """
    seen: set[int] = set()
    counted, free = [], 0
    for word, group in zip(repeated.words.tolist(), repeated.groups.tolist(), strict=True):
        if word < free:
            continue
        if group in seen:
            counted.append(word)
            free = word + repeated.n
        else:
            seen.add(group)
    return np.array(counted, np.int64)
