"""What every aligner gives: how probable each word of one side is, given a word of the other."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Lexicon:
    """P(target | source) for pairs of words that share a sentence; source 0 is the null word, words follow at 1.

    `keys` is sorted, source x targets + target, int64; `probabilities` (float32) belongs to it. In the lexicon of the
    other direction the two sides have changed places.
    """

    keys: np.ndarray
    probabilities: np.ndarray
    targets: int


@dataclass(frozen=True)
class Lexicons:
    """The two directions of one aligner."""

    forward: Lexicon
    """P(target | source)."""
    reverse: Lexicon | None
    """P(source | target); None where it was not asked for."""


@dataclass(frozen=True)
class PairCounts:
    """Expected counts of pairs of words: keys as in the lexicon of the forward direction, counts float64."""

    keys: np.ndarray
    counts: np.ndarray
    targets: int


def build_lexicon(
    sources: Iterable[np.ndarray], targets: Iterable[np.ndarray], probabilities: Iterable[np.ndarray], number: int
) -> Lexicon:
    """Return the lexicon of pairs that come in any order; `number` is that of the target words."""
    keys = np.concatenate(
        [source * number + target for source, target in zip(sources, targets, strict=True)] or [np.empty(0, np.int64)]
    )
    values = np.concatenate([*probabilities] or [np.empty(0, np.float32)]).astype(np.float32, copy=False)
    order = np.argsort(keys, kind="stable")
    return Lexicon(keys[order], values[order], number)
