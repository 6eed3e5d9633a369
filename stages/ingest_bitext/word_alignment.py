"""The lexicons by which pairs are judged: those of one half of the pairs judge the other, none vouches for itself."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.ingest_bitext.lexicon import Lexicon, train
from stages.ingest_bitext.pairs import PAIRS, SOURCES, WHOLE
from stages.ingest_bitext.repeats import left
from stages.ingest_bitext.settings import WordAlignmentSettings
from stages.shared.duplicates.word_hashes import Hashes
from stages.shared.text_table import read_rows

Texts = tuple[list[str], list[str]]
DIRECTIONS = ("target_words", "source_words")
"""Whose words a score is the mean of."""
LOWEST, STEP, BINS = -2.5, 0.5, 20
"""Bins of scores; no score is below log(0.1), and what is beyond the last bin is in it."""


def halves(sources: Hashes) -> np.ndarray:
    """Return the half of each pair, 0 or 1, by its source's hash: pairs with the same source are in the same."""
    return (sources & np.uint64(1)).astype(np.int64)


class LexiconTask(NamedTuple):
    """All shards of judged pairs, in order, and what of them was there before."""

    shards: Sequence[Path]
    repeats: Path
    settings: WordAlignmentSettings


def train_lexicons(task: LexiconTask, out: Path) -> None:
    """Write the lexicons of both halves, each in both directions; memory is that of `lexicon_pairs` pairs."""
    shards, repeats, settings = task
    chosen: tuple[Texts, Texts] = (([], []), ([], []))
    counts = [len(np.load(shard / WHOLE, mmap_mode="r")) for shard in shards]
    share = min(1.0, settings.lexicon_pairs / max(1, sum(counts)))
    for number, shard in enumerate(shards):
        takes = left(repeats, number, counts[number]) & (np.load(shard / WHOLE) / 2.0**64 < share)
        half = halves(np.load(shard / SOURCES))
        rows = read_rows(shard / PAIRS, ["source_text", "target_text"])
        for (source, target), taken, place in zip(rows, takes.tolist(), half.tolist(), strict=True):
            if taken:
                chosen[place][0].append(source)
                chosen[place][1].append(target)
    for half_number, (sources, targets) in enumerate(chosen):
        train(sources, targets, settings.min_count).save(out / f"{half_number}-forward.npz")
        train(targets, sources, settings.min_count).save(out / f"{half_number}-backward.npz")


class AlignmentJudge:
    """Tells which pairs' words do not align."""

    def __init__(self, folder: Path, settings: WordAlignmentSettings) -> None:
        self.settings = settings
        self.lexicons = [
            [Lexicon.load(folder / f"{half}-{direction}.npz") for direction in ("forward", "backward")]
            for half in (0, 1)
        ]

    def scores(self, sources: Sequence[str], targets: Sequence[str], half: np.ndarray) -> np.ndarray:
        """Return each pair's score in both directions, (pairs, 2), given its half; NaN where too few words are known.

        The first is that of the target's words, the second that of the source's.
        """
        found = np.full((len(sources), 2), np.nan)
        for number in (0, 1):
            places = np.flatnonzero(half == number)
            sides = [[texts[place] for place in places.tolist()] for texts in (sources, targets)]
            for column, (given, judged) in enumerate((sides, sides[::-1])):
                scores, words = self.lexicons[1 - number][column].scores(given, judged)
                found[places, column] = np.where(words >= self.settings.min_words, scores, np.nan)
        return found

    def unaligned(self, scores: np.ndarray) -> np.ndarray:
        """Return a bool for each pair: is its score below the threshold in both directions?"""
        below = scores < self.settings.threshold
        goes: np.ndarray = below[:, 0] & below[:, 1]
        return goes


class ScoreHistogram:
    """How many pairs have which score, by direction."""

    def __init__(self) -> None:
        self.bins = np.zeros((2, BINS), np.int64)

    def add(self, scores: np.ndarray) -> None:
        """Count pairs, (pairs, 2); one without a score in a direction is not counted there."""
        for bins, column in zip(self.bins, scores.T, strict=True):
            places = np.floor((column[~np.isnan(column)] - LOWEST) / STEP).astype(np.int64)
            bins += np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)


def joined_scores(shards: Iterable[Sequence[Sequence[int]]], threshold: float) -> dict[str, Any]:
    """Return the threshold, and for each direction the pairs of all shards by their score: from, below, pairs."""
    bins = np.sum([np.array(one, np.int64) for one in shards], axis=0)
    edges = [round(LOWEST + STEP * place, 3) for place in range(BINS + 1)]
    told = {
        direction: [
            {"from": low, "below": high, "pairs": count}
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        ]
        for direction, counts in zip(DIRECTIONS, bins.tolist(), strict=True)
    }
    return {"threshold": threshold, **told}
