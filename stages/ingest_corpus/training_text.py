"""Training text without held-out sentences and benchmarks, in the wanted mixture."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.ingest_corpus import curated
from stages.ingest_corpus.dropped import DroppedLines, DroppedWriter
from stages.ingest_corpus.settings import CorpusSettings
from stages.ingest_corpus.splitting import BATCH_ROWS, TEXT, too_short
from stages.shared.duplicates.benchmark_files import HITS, hit
from stages.shared.duplicates.benchmark_index import BenchmarkIndex
from stages.shared.mixture import place, repeats, weight_of
from stages.shared.overlap import SentenceIndex
from stages.shared.text_table import TableWriter, record_batches

TRAIN, LINES = "train.parquet", "lines.json"


class TrainingTask(NamedTuple):
    """The training part of one shard, and what it must not hold."""

    shard: Path
    card: str
    held_out: Path
    benchmarks: Path
    below: float
    """Documents whose place for the cap is at least this are over it."""
    corpus: CorpusSettings


def training_shard(task: TrainingTask, out: Path) -> None:
    """Write train.parquet and dropped.parquet, lines.json (lines dropped) and hits.json (lines of benchmarks)."""
    held_out, benchmarks = SentenceIndex.load(task.held_out), BenchmarkIndex.load(task.benchmarks)
    lines, hits = DroppedLines(), list[dict[str, Any]]()
    with TableWriter(out / TRAIN, curated.SCHEMA) as kept, DroppedWriter(out / curated.DROPPED, task.card) as dropped:
        for batch in record_batches(task.shard / TRAIN, curated.SCHEMA.names, BATCH_ROWS):
            rows = []
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                times, reason = mixed(row[0], task)
                if reason:
                    dropped.add(row[0], reason, None, row[TEXT])
                else:
                    rows.append((*row[:-1], times))
            for row, left, why in _without_overlap(rows, held_out, benchmarks, lines, hits):
                if why or too_short(left, task.corpus.document_words):
                    dropped.add(row[0], why or "short", None, row[TEXT])
                else:
                    kept.add((*row[:TEXT], "\n".join(left), *row[TEXT + 1 :]))
    lines.save(out / LINES)
    (out / HITS).write_text(json.dumps(hits, ensure_ascii=False), encoding="utf-8")


def mixed(name: str, task: TrainingTask) -> tuple[int, str | None]:
    """Return how often a document is read in an epoch, and why the mixture leaves it out, if it does."""
    mixture = task.corpus.mixture
    times = repeats(name, weight_of(task.card, mixture.weights), mixture.seed)
    if not times:
        return 0, "weight"
    return times, "cap" if place(name, mixture.seed, "cap") >= task.below else None


def _without_overlap(
    rows: Sequence[tuple[Any, ...]],
    held_out: SentenceIndex,
    benchmarks: BenchmarkIndex,
    dropped_lines: DroppedLines,
    hits: list[dict[str, Any]],
) -> Iterator[tuple[tuple[Any, ...], list[str], str | None]]:
    """Yield each row with the lines that stay, and why it goes whole, if it does."""
    texts = [row[TEXT].split("\n") for row in rows]
    lines = [line for text in texts for line in text]
    ends = np.cumsum([len(text) for text in texts])
    overlapping = held_out.overlapping(lines) if lines else np.zeros(0, bool)
    contaminated = np.zeros(len(lines), bool)
    for found in benchmarks.hits(lines) if lines else []:
        contaminated[found.line] = True
        document = int(np.searchsorted(ends, found.line, side="right"))
        hits.append(hit(found.benchmark, found.entry, rows[document][0], lines[found.line]))
    for row, text, end in zip(rows, texts, ends.tolist(), strict=True):
        part = slice(end - len(text), end)
        for why, goes_so in (("benchmark", contaminated[part]), ("overlap", overlapping[part] & ~contaminated[part])):
            dropped_lines.add(why, [text[place] for place in np.flatnonzero(goes_so).tolist()])
        gone = overlapping[part] | contaminated[part]
        kept = [line for line, goes in zip(text, gone.tolist(), strict=True) if not goes]
        reason = None
        if not kept:
            reason = "benchmark" if contaminated[part].any() else "overlap"
        yield row, kept, reason
