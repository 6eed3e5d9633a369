"""Nothing that is held out or a benchmark stays in training text, and nothing of training text in what is held out."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.ingest_bitext.dropped import Dropped
from stages.ingest_bitext.pairs import FIGURES, Row
from stages.ingest_bitext.splitting import BATCH_ROWS, HELD_OUT, SOURCE_KEYS, TARGET_KEYS, save_held_out_keys
from stages.shared.documents import Segment
from stages.shared.duplicates.benchmark_files import HITS, hit
from stages.shared.duplicates.benchmark_index import BenchmarkIndex
from stages.shared.duplicates.text_hashes import save_array
from stages.shared.overlap import SentenceIndex
from stages.shared.text_table import PAIR, TableWriter, read_lines, record_batches

TRAIN = "train.parquet"
BEFORE = "before.npy"
"""In a folder of indices: what was held out with the inputs; beside it the keys of this bitext's held-out sides."""
BENCHMARKS = "benchmarks"
"""There too, for training pairs."""


class OverlapTask(NamedTuple):
    """A split shard, or a file of the corpus' training text, and the folder of indices that it is held against."""

    table: Path
    indices: Path


def training_pairs(task: OverlapTask, out: Path) -> None:
    """Write train.parquet without pairs whose target side is held out or a benchmark's.

    Beside it are the keys of what is held out that are in what stays, and hits.json: the lines that benchmarks have.
    """
    before, benchmarks = SentenceIndex.load(task.indices / BEFORE), BenchmarkIndex.load(task.indices / BENCHMARKS)
    dropped, hits = Dropped(), list[dict[str, Any]]()

    def reasons(rows: Sequence[Row]) -> list[str | None]:
        targets = [row[4] for row in rows]
        found = _reasons(before.overlapping(targets))
        for one in benchmarks.hits(targets):
            found[one.line] = "benchmark"
            hits.append(hit(one.benchmark, one.entry, rows[one.line][0], targets[one.line]))
        return found

    write_without(task.table / TRAIN, out / TRAIN, reasons, dropped)
    for name, side in ((SOURCE_KEYS, "source_text"), (TARGET_KEYS, "target_text")):
        held_out = SentenceIndex.load(task.indices / name)
        held_out.restricted_to(read_lines(out / TRAIN, side)).save(out / name)
    (out / HITS).write_text(json.dumps(hits, ensure_ascii=False), encoding="utf-8")
    (out / FIGURES).write_text(json.dumps(dropped.figures(), ensure_ascii=False), encoding="utf-8")


def training_text(task: OverlapTask, out: Path) -> None:
    """Write which held-out keys of the target side are in a file of the corpus' training text."""
    held_out = SentenceIndex.load(task.indices / TARGET_KEYS)
    held_out.restricted_to(read_lines(task.table, "text")).save(out / TARGET_KEYS)


def held_out_pairs(task: OverlapTask, out: Path) -> None:
    """Write validation and test.parquet without pairs of which a side is in training text, and the keys that stay."""
    sources, targets = (SentenceIndex.load(task.indices / name) for name in (SOURCE_KEYS, TARGET_KEYS))

    def reasons(rows: Sequence[Row]) -> list[str | None]:
        overlaps = sources.overlapping([row[3] for row in rows])
        return _reasons(overlaps | targets.overlapping([row[4] for row in rows]))

    dropped = Dropped()
    for name in HELD_OUT:
        write_without(task.table / f"{name}.parquet", out / f"{name}.parquet", reasons, dropped)
    save_held_out_keys(out)
    (out / FIGURES).write_text(json.dumps(dropped.figures(), ensure_ascii=False), encoding="utf-8")


def _reasons(overlaps: np.ndarray) -> list[str | None]:
    return ["overlap" if goes else None for goes in overlaps.tolist()]


def write_without(
    table: Path, out: Path, reasons: Callable[[Sequence[Row]], list[str | None]], dropped: Dropped
) -> None:
    """Write a table without the pairs that there is a reason against, which are counted."""
    with TableWriter(out, PAIR) as writer:
        for batch in record_batches(table, PAIR, BATCH_ROWS):
            rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            for row, reason in zip(rows, reasons(rows), strict=True):
                if reason:
                    dropped.add(row[0], reason, Segment(row[3], row[4]))
                else:
                    writer.add(row)


def save_joined(folders: Iterable[Path], name: str, out: Path) -> None:
    """Write the union of the keys that some folders hold under a name."""
    keys = [np.load(path) for path in (folder / name for folder in folders) if path.exists()]
    save_array(out / name, np.unique(np.concatenate([np.empty(0, np.uint64), *keys])))
