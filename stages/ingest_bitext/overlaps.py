"""Nothing that is held out stays in training text, and nothing of training text in what is held out."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.ingest_bitext.dropped import Dropped
from stages.ingest_bitext.pairs import FIGURES, Row
from stages.ingest_bitext.splitting import BATCH_ROWS, HELD_OUT, SOURCE_KEYS, TARGET_KEYS, save_held_out_keys
from stages.shared.documents import Segment
from stages.shared.duplicates.text_hashes import save_array
from stages.shared.overlap import SentenceIndex
from stages.shared.text_table import PAIR, TableWriter, read_lines, record_batches

TRAIN = "train.parquet"
BEFORE = "before.npy"
"""In a folder of indices: what was held out with the inputs; beside it the keys of this bitext's held-out sides."""


class OverlapTask(NamedTuple):
    """A split shard, or a file of the corpus' training text, and the folder of indices that it is held against."""

    table: Path
    indices: Path


def training_pairs(task: OverlapTask, out: Path) -> None:
    """Write train.parquet without pairs whose target side is held out, and which held-out keys are in what stays."""
    before = SentenceIndex.load(task.indices / BEFORE)
    dropped = Dropped()
    write_without(task.table / TRAIN, out / TRAIN, lambda rows: before.overlapping([row[4] for row in rows]), dropped)
    for name, side in ((SOURCE_KEYS, "source_text"), (TARGET_KEYS, "target_text")):
        held_out = SentenceIndex.load(task.indices / name)
        held_out.restricted_to(read_lines(out / TRAIN, side)).save(out / name)
    (out / FIGURES).write_text(json.dumps(dropped.figures(), ensure_ascii=False), encoding="utf-8")


def training_text(task: OverlapTask, out: Path) -> None:
    """Write which held-out keys of the target side are in a file of the corpus' training text."""
    held_out = SentenceIndex.load(task.indices / TARGET_KEYS)
    held_out.restricted_to(read_lines(task.table, "text")).save(out / TARGET_KEYS)


def held_out_pairs(task: OverlapTask, out: Path) -> None:
    """Write validation and test.parquet without pairs of which a side is in training text, and the keys that stay."""
    sources, targets = (SentenceIndex.load(task.indices / name) for name in (SOURCE_KEYS, TARGET_KEYS))

    def overlapping(rows: Sequence[Row]) -> np.ndarray:
        overlaps = sources.overlapping([row[3] for row in rows])
        overlaps |= targets.overlapping([row[4] for row in rows])
        return overlaps

    dropped = Dropped()
    for name in HELD_OUT:
        write_without(task.table / f"{name}.parquet", out / f"{name}.parquet", overlapping, dropped)
    save_held_out_keys(out)
    (out / FIGURES).write_text(json.dumps(dropped.figures(), ensure_ascii=False), encoding="utf-8")


def write_without(table: Path, out: Path, overlapping: Callable[[Sequence[Row]], np.ndarray], dropped: Dropped) -> None:
    """Write a table without the pairs that overlap, which are counted."""
    with TableWriter(out, PAIR) as writer:
        for batch in record_batches(table, PAIR, BATCH_ROWS):
            rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            for row, goes in zip(rows, overlapping(rows).tolist(), strict=True):
                if goes:
                    dropped.add(row[0], "overlap", Segment(row[3], row[4]))
                else:
                    writer.add(row)


def save_joined(folders: Iterable[Path], name: str, out: Path) -> None:
    """Write the union of the keys that some folders hold under a name."""
    keys = [np.load(path) for path in (folder / name for folder in folders) if path.exists()]
    save_array(out / name, np.unique(np.concatenate([np.empty(0, np.uint64), *keys])))
