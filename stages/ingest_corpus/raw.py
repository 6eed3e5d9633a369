"""From a source's files to shards of documents as they came."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.cards import ResolvedCard
from stages.ingest_corpus.dropped import DroppedWriter
from stages.shared.card_documents import handling, portions
from stages.shared.documents import Document
from stages.shared.identity import BrokenIds, id_sum
from stages.shared.readers.broken import BrokenInput
from stages.shared.readers.catalogue import read_card
from stages.shared.readers.left_out import LeftOut
from stages.shared.text_settings import ReadingSettings
from stages.shared.text_table import TableWriter

SCHEMA = pa.schema(
    [("id", pa.string()), ("group", pa.string()), ("url", pa.string()), ("lines", pa.list_(pa.string()))]
)
FOUND, BROKEN = "found.json", "broken"


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


class Broken(BrokenIds):
    """Counts what is skipped, and writes its documents down among the dropped ones."""

    def __init__(self, task: RawTask, table: DroppedWriter) -> None:
        super().__init__(task.card.name, task.folder)
        self.table = table

    def __call__(self, fault: BrokenInput) -> None:
        """Count a document or a file."""
        super().__call__(fault)
        if fault.lost == "document":
            self.table.add(self.id(fault), "broken", None, self.told(fault))


def read_raw(task: RawTask, out: Path) -> None:
    """Write 00000.parquet and so on, each of about `shard_bytes`, and found.json: what there was and was skipped.

    Documents that were skipped are in broken/00000.parquet, as dropped ones.
    """
    (out / BROKEN).mkdir()
    with DroppedWriter(out / BROKEN / "00000.parquet", task.card.name) as table:
        broken = Broken(task, table)
        found = _read(task, out, broken) | {"broken": broken.figures(), "broken_ids": broken.ids}
    (out / FOUND).write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


def _read(task: RawTask, out: Path, skipped: Broken) -> dict[str, Any]:
    left_out, documents, characters, ids = LeftOut(), 0, 0, 0
    texts = read_card(task.card, task.folder, handling(task.settings, skipped, left_out), task.only)
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
            characters += size
        number += 1
    return {"documents": documents, "characters": characters, "ids": ids, "left_out": vars(left_out)}


def _size(document: Document) -> int:
    return sum(len(segment.target) for segment in document.segments)
