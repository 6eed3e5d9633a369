"""Do the words of a pair align? A small IBM Model 1 in both directions (Brown et al. 1993, model 1).

A word's score is log(0.9 x P(word | other side) / P(word) + 0.1): what the other side tells of it, at worst log(0.1).
A pair's score in one direction is the mean over its words that the lexicon knows. So a pair of texts that have
nothing to do with each other has about -1, for its frequent words are as likely as anywhere and the others impossible.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.shared.duplicates.word_hashes import Hashes, Numbers, hash_words

ITERATIONS = 3
TOLD = 0.9
"""Weight of the translation probability in a word's score; the rest bounds it below."""
LONGEST = 40
"""Longer sides train no lexicon: their words could be aligned with anything."""


class Side(NamedTuple):
    """The words of some texts as numbers in a lexicon; words that it does not know are left out."""

    words: Numbers
    starts: Numbers
    """Text number t has words starts[t] to starts[t + 1]."""

    @property
    def lengths(self) -> Numbers:
        """Return how many known words each text has."""
        lengths: Numbers = np.diff(self.starts)
        return lengths


class Lexicon(NamedTuple):
    """P(target word | source word) of one direction; word 0 of the source is the empty one."""

    source: Hashes
    """Sorted hashes of the known words; word number n + 1 has the n-th."""
    target: Hashes
    frequency: np.ndarray
    """P(target word), of each of `target`."""
    keys: Numbers
    """Sorted: number of the source word x number of target words + number of the target word."""
    probability: np.ndarray

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        np.savez(path, **self._asdict())

    @classmethod
    def load(cls, path: Path) -> "Lexicon":
        """Return a saved lexicon."""
        with np.load(path) as saved:
            return cls(**{name: saved[name] for name in cls._fields})

    def scores(self, sources: Sequence[str], targets: Sequence[str]) -> tuple[np.ndarray, Numbers]:
        """Return each pair's mean score of the target's known words, and how many these are."""
        source, target = _side(sources, self.source, 1), _side(targets, self.target, 0)
        keys, tokens = _combinations(_with_empty(source), target, len(self.target))
        places = np.searchsorted(self.keys, keys)
        there = np.append(self.keys, -1)[places] == keys
        found = np.where(there, np.append(self.probability, 0.0)[places], 0.0)
        told = np.bincount(tokens, found, len(target.words)) / np.repeat(source.lengths + 1, target.lengths)
        score = np.log(TOLD * told / self.frequency[target.words] + 1 - TOLD)
        of_pair = np.repeat(np.arange(len(targets)), target.lengths)
        return np.bincount(of_pair, score, len(targets)) / np.maximum(target.lengths, 1), target.lengths


def train(sources: Sequence[str], targets: Sequence[str], min_count: int) -> Lexicon:
    """Return the lexicon of some pairs; words with fewer occurrences than `min_count` are left out of it."""
    known = [_known(texts, min_count) for texts in (sources, targets)]
    source, target = _with_empty(_side(sources, known[0], 1)), _side(targets, known[1], 0)
    short = (source.lengths <= LONGEST) & (target.lengths <= LONGEST)
    source, target = _chosen(source, short), _chosen(target, short)
    every, tokens = _combinations(source, target, len(known[1]))
    keys, places = np.unique(every, return_inverse=True)
    given = keys // max(1, len(known[1]))
    probability = np.ones(len(keys))
    for _ in range(ITERATIONS):
        weight = probability[places]
        weight /= np.bincount(tokens, weight, len(target.words))[tokens]
        counts = np.bincount(places, weight, len(keys))
        probability = counts / np.bincount(given, counts)[given]
    frequency = np.bincount(target.words, minlength=len(known[1])).astype(float) + 1
    return Lexicon(known[0], known[1], frequency / frequency.sum(), keys, probability)


def _known(texts: Sequence[str], min_count: int) -> Hashes:
    hashes, counts = np.unique(hash_words(texts).hashes, return_counts=True)
    found: Hashes = hashes[counts >= min_count]
    return found


def _side(texts: Sequence[str], known: Hashes, first: int) -> Side:
    found = hash_words(texts)
    there = np.isin(found.hashes, known)
    starts = np.concatenate([[0], np.cumsum(there)])[found.starts]
    return Side(np.searchsorted(known, found.hashes[there]) + first, starts)


def _with_empty(side: Side) -> Side:
    """Put the empty word before each text."""
    return Side(np.insert(side.words, side.starts[:-1], 0), side.starts + np.arange(len(side.starts)))


def _chosen(side: Side, chosen: np.ndarray) -> Side:
    starts = np.concatenate([[0], np.cumsum(side.lengths[chosen])])
    return Side(side.words[np.repeat(chosen, side.lengths)], starts)


def _combinations(source: Side, target: Side, targets: int) -> tuple[Numbers, Numbers]:
    """Return for each word of a target with each of its source the key, and the place of the target's word."""
    counts = np.repeat(source.lengths, target.lengths)
    tokens = np.repeat(np.arange(len(target.words)), counts)
    first = np.repeat(np.repeat(source.starts[:-1], target.lengths), counts)
    within = np.arange(len(tokens)) - np.repeat(np.cumsum(counts) - counts, counts)
    return source.words[first + within] * targets + target.words[tokens], tokens
