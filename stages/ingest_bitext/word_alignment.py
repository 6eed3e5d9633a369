"""The lexicons by which pairs are judged: those of one half of the pairs judge the other, none vouches for itself."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.ingest_bitext.lexicon import Lexicon, train
from stages.ingest_bitext.pairs import PAIRS, SOURCES, WHOLE
from stages.ingest_bitext.repeats import left
from stages.ingest_bitext.settings import WordAlignmentSettings
from stages.shared.duplicates.word_hashes import Hashes
from stages.shared.text_table import read_rows

Texts = tuple[list[str], list[str]]


def halves(sources: Hashes) -> np.ndarray:
    """Return the half of each pair, 0 or 1, by its source's hash: pairs with the same source are in the same."""
    return (sources & np.uint64(1)).astype(np.int64)


def train_lexicons(shards: Sequence[Path], repeats: Path, settings: WordAlignmentSettings, out: Path) -> None:
    """Write the lexicons of both halves, each in both directions; memory is that of `lexicon_pairs` pairs."""
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
    out.mkdir(exist_ok=True)
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

    def unaligned(self, sources: Sequence[str], targets: Sequence[str], half: np.ndarray) -> np.ndarray:
        """Return a bool for each pair, given its half: is its score below the threshold in both directions?"""
        found = np.zeros(len(sources), bool)
        for number in (0, 1):
            places = np.flatnonzero(half == number)
            sides = [[texts[place] for place in places.tolist()] for texts in (sources, targets)]
            goes = np.ones(len(places), bool)
            for lexicon, (given, judged) in zip(self.lexicons[1 - number], (sides, sides[::-1]), strict=True):
                scores, words = lexicon.scores(given, judged)
                goes &= (scores < self.settings.threshold) & (words >= self.settings.min_words)
            found[places] = goes
        return found
