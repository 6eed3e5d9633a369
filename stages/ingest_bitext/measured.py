"""What was written of a shard of pairs, read again: sizes, the ratio of the sides' lengths, and overlaps."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.ingest_bitext.overlaps import BEFORE, TRAIN, OverlapTask
from stages.ingest_bitext.splitting import BATCH_ROWS, SOURCE_KEYS, TARGET_KEYS
from stages.shared.identity import id_sum
from stages.shared.overlap import SentenceIndex
from stages.shared.split import SPLITS
from stages.shared.text_table import read_lines, record_batches

MEASURED = "measured.json"
UNITS = ("words", "characters")
STEPS, OCTAVES = 2, 3
"""Bins of the ratio: two for each doubling, from an eighth to eight; what is beyond is in the first and last."""


class Shard(NamedTuple):
    """A shard's tables after the last phase."""

    card: str
    train: Path
    held_out: Path

    def table(self, split: str) -> Path:
        """Return the file of a split."""
        return self.train / TRAIN if split == "train" else self.held_out / f"{split}.parquet"


class MeasureTask(NamedTuple):
    """A finished shard, and the folder of indices of what all of them hold out."""

    shard: Shard
    indices: Path


def measure_pairs(task: MeasureTask, out: Path) -> None:
    """Write measured.json: pairs, words and bytes (the target's) by split, sum of ids, lengths, lines that overlap."""
    sizes, lengths, ids = dict[str, dict[str, int]](), Lengths(), 0
    for split in SPLITS:
        size = Counter[str](pairs=0, words=0, bytes=0)
        for batch in record_batches(task.shard.table(split), ["id", "source_text", "target_text"], BATCH_ROWS):
            names, source, target = (column.to_pylist() for column in batch.columns)
            ids += id_sum(names)
            lengths.add(source, target)
            words, encoded = (sum(map(count, target)) for count in (_words, _bytes))
            size.update(pairs=len(target), words=words, bytes=encoded)
        sizes[split] = dict(size)
    found = {"sizes": sizes, "ids": ids, "lengths": lengths.figures(), "overlap": _overlap(task)}
    (out / MEASURED).write_text(json.dumps(found), encoding="utf-8")


def measure_text(task: OverlapTask, out: Path) -> None:
    """Write how many lines of a file of the corpus' training text hold a target side that is held out."""
    overlap = SentenceIndex.load(task.indices / TARGET_KEYS).count(read_lines(task.table, "text"))
    (out / MEASURED).write_text(json.dumps({"overlap": overlap}), encoding="utf-8")


def _overlap(task: MeasureTask) -> int:
    before, sources, targets = (SentenceIndex.load(task.indices / name) for name in (BEFORE, SOURCE_KEYS, TARGET_KEYS))
    count = 0
    for batch in record_batches(task.shard.table("train"), ["source_text", "target_text"], BATCH_ROWS):
        source, target = (column.to_pylist() for column in batch.columns)
        count += int(sources.overlapping(source).sum())
        count += int((targets.overlapping(target) | before.overlapping(target)).sum())
    return count


class Lengths:
    """How long the sides are, and how much longer the target is than the source."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter({f"{side}_{unit}": 0 for unit in UNITS for side in ("source", "target")})
        self.bins = {unit: np.zeros(2 * STEPS * OCTAVES, np.int64) for unit in UNITS}

    def add(self, source: Iterable[str], target: Iterable[str]) -> None:
        """Count some pairs."""
        for unit, count in zip(UNITS, (_words, len), strict=True):
            sides = [np.fromiter(map(count, side), np.int64) for side in (source, target)]
            self.totals.update({f"source_{unit}": int(sides[0].sum()), f"target_{unit}": int(sides[1].sum())})
            places = np.floor(STEPS * (np.log2(sides[1] / sides[0]) + OCTAVES)).astype(np.int64)
            places = np.clip(places, 0, len(self.bins[unit]) - 1)
            self.bins[unit] += np.bincount(places, minlength=len(self.bins[unit]))

    def figures(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {"totals": dict(self.totals), "bins": {unit: bins.tolist() for unit, bins in self.bins.items()}}


def joined_lengths(measured: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return for each unit the sides' totals, and the pairs by the ratio of target to source: from, below, pairs.

    Read from the end it is the ratio of source to target: the bins are powers of the root of two.
    """
    totals, bins = Counter[str](), {unit: np.zeros(2 * STEPS * OCTAVES, np.int64) for unit in UNITS}
    for one in measured:
        totals.update(one["lengths"]["totals"])
        for unit in UNITS:
            bins[unit] += one["lengths"]["bins"][unit]
    edges = [round(2 ** (place / STEPS - OCTAVES), 3) for place in range(2 * STEPS * OCTAVES + 1)]
    return {
        unit: {
            "source": totals[f"source_{unit}"],
            "target": totals[f"target_{unit}"],
            "target_by_source": [
                {"from": low, "below": high, "pairs": count}
                for low, high, count in zip(edges[:-1], edges[1:], bins[unit].tolist(), strict=True)
            ],
        }
        for unit in UNITS
    }


def _words(text: str) -> int:
    return len(text.split())


def _bytes(text: str) -> int:
    return len(text.encode())
