"""From a shard of judged pairs to its training and held-out pairs, without what was there before."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.ingest_bitext.dropped import Dropped
from stages.ingest_bitext.pairs import FIGURES, PAIRS, SOURCES, Row
from stages.ingest_bitext.repeats import repeated
from stages.ingest_bitext.settings import BitextSettings
from stages.ingest_bitext.word_alignment import AlignmentJudge, ScoreHistogram, halves
from stages.shared.documents import Segment
from stages.shared.overlap import SentenceIndex
from stages.shared.split import SPLITS, split_of
from stages.shared.text_settings import SplitSettings
from stages.shared.text_table import PAIR, TableWriter, read_lines, record_batches

BATCH_ROWS = 2_000
HELD_OUT = ("validation", "test")
SOURCE_KEYS, TARGET_KEYS = "source_keys.npy", "target_keys.npy"
SIDES = {SOURCE_KEYS: "source_text", TARGET_KEYS: "target_text"}


class SplitTask(NamedTuple):
    """One shard of judged pairs among all."""

    shard: Path
    number: int
    repeats: Path
    lexicons: Path
    bitext: BitextSettings
    split: SplitSettings


def split_pairs(task: SplitTask, out: Path) -> None:
    """Write train, validation and test.parquet, figures.json, and the keys of what is held out by side."""
    dropped, scores = Dropped(), ScoreHistogram()
    with ExitStack() as stack:
        writers = {name: stack.enter_context(TableWriter(out / f"{name}.parquet", PAIR)) for name in SPLITS}
        for row, reason in _judged(task, scores):
            if reason:
                dropped.add(row[0], reason, Segment(row[3], row[4]))
            else:
                writers[split_of(row[1], task.split)].add(row)
    save_held_out_keys(out)
    figures = dropped.figures() | ({"scores": scores.bins.tolist()} if task.bitext.word_alignment else {})
    (out / FIGURES).write_text(json.dumps(figures, ensure_ascii=False), encoding="utf-8")


def save_held_out_keys(folder: Path) -> None:
    """Write the keys of a shard's validation and test pairs, as they were written."""
    for name, side in SIDES.items():
        SentenceIndex(line for split in HELD_OUT for line in read_lines(folder / f"{split}.parquet", side)).save(
            folder / name
        )


def _judged(task: SplitTask, histogram: ScoreHistogram) -> Iterator[tuple[Row, str | None]]:
    """Yield each pair and why it goes, if it does; count the scores of those that were not there before."""
    half = halves(np.load(task.shard / SOURCES))
    masks, alignment = repeated(task.repeats, task.number, len(half)), task.bitext.word_alignment
    judge = None if alignment is None else AlignmentJudge(task.lexicons, alignment)
    begin = 0
    for batch in record_batches(task.shard / PAIRS, PAIR, BATCH_ROWS):
        rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        part = slice(begin, begin + len(rows))
        reasons: list[str | None] = [None] * len(rows)
        if judge is not None:
            scores = judge.scores([row[3] for row in rows], [row[4] for row in rows], half[part])
            for place in np.flatnonzero(judge.unaligned(scores)).tolist():
                reasons[place] = "unaligned"
            histogram.add(scores[~np.any([mask[part] for mask in masks.values()], axis=0)])
        for reason, mask in masks.items():
            for place in np.flatnonzero(mask[part]).tolist():
                reasons[place] = reason
        yield from zip(rows, reasons, strict=True)
        begin += len(rows)
