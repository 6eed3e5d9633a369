"""Expected counts of word pairs, of one direction or of two that are symmetrised: one E-step over the sentences."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from stages.align_tokens.grow_diagonal import grow_diag_final_and
from stages.align_tokens.lexicon import Lexicon, Lexicons, PairCounts
from stages.align_tokens.settings import Symmetrization
from stages.align_tokens.word_units import Sentences

CHUNK_PAIRS = 2_000_000
"""Word pairs handled at once: bounds the memory to some 300 MB; the counts do not depend on it but by rounding."""


def count_pairs(source: Sentences, target: Sentences, lexicons: Lexicons, symmetrization: Symmetrization) -> PairCounts:
    """Return the expected counts of word pairs; raise ValueError where symmetrising lacks the reverse lexicon.

    `none` gives those of the forward direction, the null word's among them; `agreement` the sums of the product of both
    directions' posteriors (Liang, Taskar and Klein 2006); the others the numbers of links in the two best alignments,
    intersected, or grown from there (Koehn, Och and Marcu 2003).
    """
    forward, reverse = lexicons.forward, lexicons.reverse
    if symmetrization == "none":
        return PairCounts(forward.keys, expected_counts(source, target, forward), forward.targets)
    if reverse is None:
        raise ValueError(f"symmetrization={symmetrization} needs the lexicon of the reverse direction")
    if symmetrization == "agreement":
        return PairCounts(forward.keys, agreement_counts(source, target, forward, reverse), forward.targets)
    return link_counts(source, target, forward, reverse, grow=symmetrization == "grow_diag_final_and")


def expected_counts(source: Sentences, target: Sentences, lexicon: Lexicon) -> np.ndarray:
    """Return the expected count of each pair of the lexicon, float64, in the order of its keys.

    Model 1: a target word comes from each of the m source words and from the null word with the same prior 1 / (m + 1),
    so the posterior is P(t | s) over its sum. fast_align's p(null) = 0.08 only enters with its diagonal prior.
    """
    counts = np.zeros(len(lexicon.keys))
    for first, last in _progress(source, target):
        pairs = chunk_pairs(source, target, first, last)
        _add(counts, Lookup.of(pairs, lexicon), posteriors(pairs, lexicon)[1])
    return counts


def agreement_counts(source: Sentences, target: Sentences, forward: Lexicon, reverse: Lexicon) -> np.ndarray:
    """Return the sums of p(source word | target word) x p(target word | source word) over the sentences, float64.

    In the order of the forward lexicon's keys; nothing for the null words. No count is above either direction's own.
    """
    counts = np.zeros(len(forward.keys))
    for first, last in _progress(source, target):
        pairs, back = chunk_pairs(source, target, first, last), chunk_pairs(target, source, first, last)
        lookup, shares = posteriors(pairs, forward)
        other, real = posteriors(back, reverse)[1], pairs.place > 0
        shares[real] *= other[pairs.transposed()[real]]
        shares[~real] = 0
        _add(counts, lookup, shares)
    return counts


def link_counts(source: Sentences, target: Sentences, forward: Lexicon, reverse: Lexicon, *, grow: bool) -> PairCounts:
    """Return how many links pairs of words have in the symmetrised best alignments; pairs without any are left out."""
    tally = _LinkTally()
    for first, last in _progress(source, target):
        pairs, back = chunk_pairs(source, target, first, last), chunk_pairs(target, source, first, last)
        real = pairs.place > 0
        here = best_places(pairs, posteriors(pairs, forward)[1]) & real
        there = np.zeros_like(here)
        there[real] = best_places(back, posteriors(back, reverse)[1])[pairs.transposed()[real]]
        links = here & there
        if grow:
            links = _grown(pairs, here, there)
        tally.add(pairs.keys(forward.targets)[links])
    return tally.counts(forward.targets)


@dataclass(frozen=True)
class ChunkPairs:
    """Each target word of some sentences beside the null word (place 0) and each source word of its sentence."""

    sources: np.ndarray
    """0 for the null word, words from 1, shape (pairs,)."""
    words: np.ndarray
    """Target words, shape (target words,)."""
    groups: np.ndarray
    """Which target word each pair is of, sorted, shape (pairs,)."""
    place: np.ndarray
    """Place of the source word in its sentence, from 1, shape (pairs,)."""
    m: np.ndarray
    """Source words by sentence, without the null word."""
    n: np.ndarray
    """Target words by sentence."""

    def keys(self, targets: int) -> np.ndarray:
        """Return the key of each pair in a lexicon."""
        keys: np.ndarray = self.sources * targets + self.words[self.groups]
        return keys

    def starts(self) -> np.ndarray:
        """Return where each target word's pairs begin, and where the last end."""
        return np.concatenate([[0], np.cumsum(np.repeat(self.m + 1, self.n))])

    def transposed(self) -> np.ndarray:
        """Return where the same two words meet among the pairs of the other direction; no meaning at place 0."""
        words_before = np.cumsum(self.n) - self.n
        pairs_before = np.cumsum(self.m * (self.n + 1)) - self.m * (self.n + 1)
        sentence = np.repeat(np.arange(len(self.n)), self.n)[self.groups]
        column = self.groups - words_before[sentence] + 1
        row: np.ndarray = pairs_before[sentence] + (self.place - 1) * (self.n[sentence] + 1)
        row += column
        return row


@dataclass(frozen=True)
class Lookup:
    """Where the pairs of a chunk stand in a lexicon, each distinct pair looked up once."""

    order: np.ndarray
    """Sorts the pairs by key."""
    begins: np.ndarray
    """Where each distinct pair begins in that order."""
    places: np.ndarray
    """Its place in the lexicon, right where `known`."""
    known: np.ndarray

    @classmethod
    def of(cls, pairs: ChunkPairs, lexicon: Lexicon) -> "Lookup":
        """Look the pairs of a chunk up."""
        keys = pairs.keys(lexicon.targets)
        order = np.argsort(keys, kind="stable")
        unique, begins = np.unique(keys[order], return_index=True)
        places = np.minimum(np.searchsorted(lexicon.keys, unique), max(len(lexicon.keys) - 1, 0))
        known = lexicon.keys[places] == unique if len(lexicon.keys) else np.zeros(len(unique), dtype=bool)
        return cls(order, begins, places, known)


def posteriors(pairs: ChunkPairs, lexicon: Lexicon) -> tuple[Lookup, np.ndarray]:
    """Return where the pairs stand in the lexicon, and how probably each target word comes from each source word.

    A word that none of its sentence explains (each partner unknown or rounded to zero) comes from none.
    """
    lookup = Lookup.of(pairs, lexicon)
    repeats = np.diff(np.append(lookup.begins, len(lookup.order)))
    probability = np.empty(len(lookup.order))
    known = np.zeros(len(lookup.places))
    known[lookup.known] = lexicon.probabilities[lookup.places[lookup.known]]
    probability[lookup.order] = np.repeat(known, repeats)
    totals = np.bincount(pairs.groups, weights=probability)
    return lookup, probability / np.where(totals > 0, totals, 1.0)[pairs.groups]


def best_places(pairs: ChunkPairs, shares: np.ndarray) -> np.ndarray:
    """Return whether each pair is its target word's best; of equals the first is, so the null word before others."""
    begins = pairs.starts()[:-1]
    best = np.maximum.reduceat(shares, begins)
    hits = np.flatnonzero((shares == best[pairs.groups]) & (shares > 0))
    _, firsts = np.unique(pairs.groups[hits], return_index=True)
    chosen = np.zeros(len(shares), dtype=bool)
    chosen[hits[firsts]] = True
    return chosen


def chunk_pairs(source: Sentences, target: Sentences, first: int, last: int) -> ChunkPairs:
    """Return all pairs of words in the sentences first:last."""
    m = np.diff(source.starts[first : last + 1])
    n = np.diff(target.starts[first : last + 1])
    words = target.units[target.starts[first] : target.starts[last]].astype(np.int64)
    per_word = np.repeat(m + 1, n)  # source words to pair each target word with, and the null word
    groups = np.repeat(np.arange(len(words)), per_word)
    begins = np.cumsum(per_word) - per_word
    place = np.arange(len(groups)) - np.repeat(begins, per_word)
    sentence_start = np.repeat(source.starts[first:last], n)[groups]
    sources = source.units[np.maximum(sentence_start + place - 1, 0)].astype(np.int64) + 1
    sources[place == 0] = 0
    return ChunkPairs(sources, words, groups, place, m, n)


def chunks(products: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield ranges of sentences with about CHUNK_PAIRS word pairs each, at least one sentence."""
    ends = np.cumsum(products)
    first = 0
    while first < len(products):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + CHUNK_PAIRS, side="right")))
        yield first, last
        first = last


def _progress(source: Sentences, target: Sentences) -> Iterator[tuple[int, int]]:
    products = (np.diff(source.starts) + 1) * np.diff(target.starts)
    yield from tqdm(list(chunks(products)), desc="expected counts", unit=" chunks", mininterval=1)


def _add(counts: np.ndarray, lookup: Lookup, shares: np.ndarray) -> None:
    sums = np.add.reduceat(shares[lookup.order], lookup.begins)
    counts[lookup.places[lookup.known]] += sums[lookup.known]


def _grown(pairs: ChunkPairs, here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the links of grow-diag-final-and in the layout of the pairs; only sentences that differ are looked at."""
    links: np.ndarray = here & there
    starts = pairs.starts()[np.concatenate([[0], np.cumsum(pairs.n)])]
    differs = np.add.reduceat((here ^ there).astype(np.int64), starts[:-1]) > 0
    for row in np.flatnonzero(differs).tolist():
        part, shape = slice(starts[row], starts[row + 1]), (pairs.n[row], pairs.m[row] + 1)
        grown = grow_diag_final_and(here[part].reshape(shape)[:, 1:].T, there[part].reshape(shape)[:, 1:].T)
        links[part].reshape(shape)[:, 1:] = grown.T
    return links


class _LinkTally:
    """Numbers of links by key, merged now and then to bound the memory."""

    def __init__(self) -> None:
        self._keys: list[np.ndarray] = []
        self._numbers: list[np.ndarray] = []

    def add(self, keys: np.ndarray) -> None:
        """Count some links."""
        unique, numbers = np.unique(keys, return_counts=True)
        self._keys.append(unique)
        self._numbers.append(numbers)
        if sum(map(len, self._keys[1:])) > max(len(self._keys[0]), CHUNK_PAIRS):
            self._merge()

    def _merge(self) -> None:
        keys, where = np.unique(np.concatenate(self._keys), return_inverse=True)
        numbers = np.bincount(where, weights=np.concatenate(self._numbers))
        self._keys, self._numbers = [keys], [numbers]

    def counts(self, targets: int) -> PairCounts:
        """Return the counts, sorted by key."""
        self._merge()
        return PairCounts(self._keys[0], self._numbers[0].astype(np.float64), targets)
