"""From a curated shard to what of it is training, validation and test text, without what was there before."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.ingest_corpus import curated
from stages.ingest_corpus.dropped import DroppedLines, DroppedWriter
from stages.ingest_corpus.repeats import read_repeats
from stages.ingest_corpus.settings import CorpusSettings
from stages.shared.duplicates.text_hashes import save_array
from stages.shared.overlap import SentenceIndex
from stages.shared.split import SPLITS, split_of
from stages.shared.text_table import TableWriter, read_lines, record_batches

BATCH_ROWS = 500
HELD_OUT, TRAIN_BYTES = "held_out.npy", "train_bytes.npy"


class SplitTask(NamedTuple):
    """One curated shard among all."""

    shard: Path
    number: int
    card: str
    repeats: Path
    corpus: CorpusSettings


class Document(NamedTuple):
    """A row of kept.parquet, and why it goes, if it does."""

    row: tuple[Any, ...]
    text: str
    reason: str | None


def split_shard(task: SplitTask, out: Path) -> None:
    """Write train.parquet, validation.parquet, test.parquet, dropped.parquet, and lines.json: the lines dropped.

    Beside them held_out.npy, the keys of the validation and test lines as they were written, and train_bytes.npy, the
    UTF-8 bytes of each row of train.parquet: so that no process has to read all shards' text for them.
    """
    lines, train_bytes = DroppedLines(), list[int]()
    with ExitStack() as stack:
        writers = {name: stack.enter_context(TableWriter(out / f"{name}.parquet", curated.SCHEMA)) for name in SPLITS}
        dropped = stack.enter_context(DroppedWriter(out / curated.DROPPED, task.card))
        for document in _documents(task, lines):
            name, group = document.row[:2]
            if document.reason:
                dropped.add(name, document.reason, None, document.row[TEXT])
            else:
                row = (*document.row[:TEXT], document.text, *document.row[TEXT + 1 :])
                split = split_of(group, task.corpus.split)
                writers[split].add(row)
                if split == "train":
                    train_bytes.append(len(document.text.encode()))
    written = (out / f"{name}.parquet" for name in SPLITS if name != "train")
    save_array(out / HELD_OUT, SentenceIndex(line for path in written for line in read_lines(path, "text")).set.keys)
    save_array(out / TRAIN_BYTES, np.array(train_bytes, np.int64))
    lines.save(out / "lines.json")


TEXT = curated.SCHEMA.names.index("text")


def _documents(task: SplitTask, dropped_lines: DroppedLines) -> Iterator[Document]:
    repeats = read_repeats(task.repeats, task.number)
    copies, near, late = set(repeats.documents.tolist()), set(repeats.near.tolist()), _Ascending(repeats.lines)
    position = 0
    for batch in record_batches(task.shard / curated.KEPT, curated.SCHEMA.names, BATCH_ROWS):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            reason = "duplicate" if position in copies else "near_duplicate" if position in near else None
            text = row[TEXT]
            if reason is None:
                lines = text.split("\n")
                gone = late.take(len(lines))
                kept = [line for line, goes in zip(lines, gone, strict=True) if not goes]
                dropped_lines.add("boilerplate", [line for line, goes in zip(lines, gone, strict=True) if goes])
                text, reason = "\n".join(kept), too_short(kept, task.corpus.document_words)
            yield Document(row, text, reason)
            position += 1


def too_short(lines: list[str], least_words: int) -> str | None:
    """Return why a document with these lines left goes, if it does."""
    if not lines:
        return "boilerplate"
    return "short" if sum(len(line.split()) for line in lines) < least_words else None


class _Ascending:
    """Ascending positions, handed out as masks of the next so many."""

    def __init__(self, positions: np.ndarray) -> None:
        self.positions, self.begin = positions, 0

    def take(self, count: int) -> list[bool]:
        """Return of the next `count` positions whether they are there."""
        first, last = np.searchsorted(self.positions, [self.begin, self.begin + count])
        mask = np.zeros(count, bool)
        mask[self.positions[first:last] - self.begin] = True
        self.begin += count
        return mask.tolist()
