"""From a source's files to shards of documents as they came."""

import json
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipeline.cards import ResolvedCard
from stages.ingest_corpus.dropped import id_sum
from stages.shared.card_documents import handling, portions
from stages.shared.documents import Document
from stages.shared.readers.broken import Skipped
from stages.shared.readers.catalogue import read_card
from stages.shared.text_settings import ReadingSettings
from stages.shared.text_table import TableWriter

SCHEMA = pa.schema(
    [("id", pa.string()), ("group", pa.string()), ("url", pa.string()), ("lines", pa.list_(pa.string()))]
)
FOUND = "found.json"


class RawTask(NamedTuple):
    """Files of a data card's source that are read one after the other."""

    card: ResolvedCard
    folder: Path
    settings: ReadingSettings
    only: tuple[str, ...] | None
    """Names of files; None for all that the card's reader wants."""


def raw_tasks(card: ResolvedCard, folder: Path, settings: ReadingSettings) -> list[RawTask]:
    """Return the work on a card, cut by its files where each can be read for itself."""
    return [RawTask(card, folder, settings, names) for names in portions(card, folder, settings)]


def read_raw(task: RawTask, out: Path) -> None:
    """Write 00000.parquet and so on, each of about `shard_bytes`, and found.json: what there was and was skipped."""
    skipped, notes, documents, ids = Skipped(), list[str](), 0, 0
    texts = read_card(task.card, task.folder, handling(task.settings, skipped, notes), task.only)
    number, left = 0, next(texts, None)
    while left is not None:
        with TableWriter(out / f"{number:05d}.parquet", SCHEMA) as writer:
            size = 0
            while left is not None and size < task.settings.shard_bytes:
                lines = [segment.target for segment in left.segments]
                writer.add((left.id, left.group, left.url, lines))
                size += _size(left)
                ids += id_sum([left.id])
                documents, left = documents + 1, next(texts, None)
        number += 1
    found = {"documents": documents, "ids": ids % 2**64, "notes": notes, "broken": vars(skipped)}
    (out / FOUND).write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


def _size(document: Document) -> int:
    return sum(len(segment.target) for segment in document.segments)
