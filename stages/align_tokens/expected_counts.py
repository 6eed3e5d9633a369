"""Expected counts of word pairs under IBM Model 1: one E-step over the sentences."""

from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from stages.align_tokens.fast_align import Lexicon
from stages.align_tokens.word_units import Sentences

CHUNK_PAIRS = 2_000_000
"""Word pairs handled at once: bounds the memory to some 200 MB; the counts do not depend on it but by rounding."""


def expected_counts(source: Sentences, target: Sentences, lexicon: Lexicon) -> np.ndarray:
    """Return the expected count of each pair of the lexicon, float64, in the order of its keys.

    Model 1: a target word comes from each of the m source words and from the null word with the same prior 1 / (m + 1),
    so the posterior is P(t | s) over its sum. fast_align's p(null) = 0.08 only enters with its diagonal prior.
    """
    counts = np.zeros(len(lexicon.keys))
    lengths = np.diff(source.starts) + 1, np.diff(target.starts)
    products = lengths[0] * lengths[1]
    for first, last in tqdm(list(chunks(products)), desc="expected counts", unit=" chunks", mininterval=1):
        keys, groups = pair_keys(source, target, lexicon.targets, first, last)
        order = np.argsort(keys, kind="stable")
        unique, inverse_starts = np.unique(keys[order], return_index=True)
        places = np.minimum(np.searchsorted(lexicon.keys, unique), len(lexicon.keys) - 1)
        known = lexicon.keys[places] == unique
        repeats = np.diff(np.append(inverse_starts, len(keys)))
        probability = np.empty(len(keys))
        probability[order] = np.repeat(np.where(known, lexicon.probabilities[places], 0.0), repeats)
        totals = np.bincount(groups, weights=probability)
        # A word that none of its sentence explains (each partner rounded to zero) counts for none.
        posterior = (probability / np.where(totals > 0, totals, 1.0)[groups])[order]
        counts[places[known]] += np.add.reduceat(posterior, inverse_starts)[known]
    return counts


def chunks(products: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield ranges of sentences with about CHUNK_PAIRS word pairs each, at least one sentence."""
    ends = np.cumsum(products)
    first = 0
    while first < len(products):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + CHUNK_PAIRS, side="right")))
        yield first, last
        first = last


def pair_keys(
    source: Sentences, target: Sentences, targets: int, first: int, last: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the key of every pair of words in the sentences first:last, and which target word each belongs to."""
    m = np.diff(source.starts[first : last + 1]) + 1  # with the null word
    n = np.diff(target.starts[first : last + 1])
    words = target.units[target.starts[first] : target.starts[last]].astype(np.int64)
    per_word = np.repeat(m, n)  # source words to pair each target word with
    groups = np.repeat(np.arange(len(words)), per_word)
    begins = np.cumsum(per_word) - per_word
    place = np.arange(len(groups)) - np.repeat(begins, per_word)  # 0 is the null word
    sentence_start = np.repeat(source.starts[first:last], n)[groups]
    rows = source.units[np.maximum(sentence_start + place - 1, 0)].astype(np.int64) + 1
    rows[place == 0] = 0
    return rows * targets + words[groups], groups
