"""What was written of a shard, read again: sizes, reasons, ids, and the overlap with what is held out."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from stages.ingest_corpus import curated
from stages.ingest_corpus.splitting import HELD_OUT
from stages.ingest_corpus.training_text import TRAIN
from stages.shared.identity import id_sum
from stages.shared.overlap import SentenceIndex
from stages.shared.split import SPLITS
from stages.shared.text_table import read_rows

MEASURED = "measured.json"


class Shard(NamedTuple):
    """A shard after each phase."""

    card: str
    curated: Path
    split: Path
    train: Path

    def tables(self, name: str) -> list[Path]:
        """Return the files of a split, or of what was dropped, that hold anything."""
        if name == "dropped":
            files = [folder / curated.DROPPED for folder in (self.curated, self.split, self.train)]
        else:
            files = [self.train / TRAIN if name == "train" else self.split / f"{name}.parquet"]
        return [path for path in files if pq.read_metadata(path).num_rows]


class MeasureTask(NamedTuple):
    """A finished shard, and the index of what all shards hold out."""

    shard: Shard
    held_out: Path


def measure_shard(task: MeasureTask, out: Path) -> None:
    """Write measured.json: by split documents, words and bytes; reasons; sums of ids; training lines that overlap."""
    held_out, overlap = SentenceIndex.load(task.held_out), 0
    sizes, kept = dict[str, dict[str, int]](), 0
    for split in SPLITS:
        size = Counter[str](documents=0, words=0, bytes=0)
        for texts in _texts(task.shard.tables(split)):
            size.update(
                documents=len(texts),
                words=sum(len(text.split()) for text in texts),
                bytes=sum(len(text.encode()) for text in texts),
            )
            if split == "train":
                overlap += held_out.count(line for text in texts for line in text.split("\n"))
        sizes[split] = dict(size)
        kept += id_sum(_column(task.shard.tables(split), "id"))
    dropped = task.shard.tables("dropped")
    found = {
        "sizes": sizes,
        "reasons": Counter(_column(dropped, "reason")),
        "ids": {"kept": kept, "dropped": id_sum(_column(dropped, "id"))},
        "overlap": overlap,
    }
    (out / MEASURED).write_text(json.dumps(found), encoding="utf-8")


def held_out_index(split: Iterable[Path]) -> SentenceIndex:
    """Return the index of what some shards hold out, from the keys that each of them wrote of its own."""
    keys = [np.load(folder / HELD_OUT) for folder in split]
    return SentenceIndex.of_keys(np.unique(np.concatenate([np.empty(0, np.uint64), *keys])))


def _texts(tables: Iterable[Path]) -> Iterator[list[str]]:
    for path in tables:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(curated.BATCH_ROWS, columns=["text"]):
                yield batch.column("text").to_pylist()


def _column(tables: Iterable[Path], name: str) -> Iterator[str]:
    return (value for path in tables for (value,) in read_rows(path, [name]))


def total(measured: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Return the sums of sizes."""
    added = Counter[str](documents=0, words=0, bytes=0)
    for size in measured:
        added.update(size)
    return dict(added)
