"""From a raw shard to what the rules let through, and the hashes by which duplicates are found over all shards."""

import functools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from stages.ingest_corpus.dropped import DroppedWriter, line_examples
from stages.ingest_corpus.settings import CorpusSettings
from stages.shared.curation.curate import Curated, curate, masked
from stages.shared.duplicates.clusters import SignatureFiles
from stages.shared.duplicates.minhash import Signatures, signatures
from stages.shared.duplicates.text_hashes import save_array, text_hashes
from stages.shared.normalisation import normalise
from stages.shared.text_settings import LanguageSettings
from stages.shared.text_table import TableWriter, record_batches

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("group", pa.string()),
        ("card", pa.string()),
        ("text", pa.string()),
        ("licence", pa.string()),
        ("url", pa.string()),
        ("scores", pa.map_(pa.string(), pa.float32())),
        ("repeats", pa.int32()),
    ]
)
KEPT, DROPPED, FIGURES = "kept.parquet", "dropped.parquet", "figures.json"
DOCUMENTS, LINES, LENGTHS = "documents.npy", "lines.npy", "lengths.npy"
BATCH_CHARACTERS = 1 << 20
BATCH_ROWS = 1_000


class CurateTask(NamedTuple):
    """A raw shard, and what it is judged by."""

    raw: Path
    card: str
    licence: str
    corpus: CorpusSettings
    language: LanguageSettings


class Row(NamedTuple):
    """A document as it came, its lines in the one spelling."""

    id: str
    group: str
    url: str
    text: str


def signature_files(shard: Path) -> SignatureFiles:
    """Return where a curated shard's signatures are."""
    return SignatureFiles(shard / "bands.npy", shard / "rows.npy")


def curate_shard(task: CurateTask, out: Path) -> None:
    """Write kept.parquet and dropped.parquet, figures.json, and of what is kept the hashes.

    These are: documents.npy, a document's; lines.npy and lengths.npy, those of its lines, and how many it has; the
    signatures, where near duplicates are looked for.
    """
    found = ShardFigures()
    hashes: list[np.ndarray] = [np.empty(0, np.uint64)]
    lines: list[np.ndarray] = [np.empty(0, np.uint64)]
    lengths: list[int] = []
    near, signed = task.corpus.duplicates.near, list[Signatures]()
    mask = functools.partial(masked, rules=task.corpus.rules, language=task.language)
    with TableWriter(out / KEPT, SCHEMA) as kept, DroppedWriter(out / DROPPED, task.card, mask) as dropped:
        for rows in _batches(task.raw):
            curated = curate([row.text for row in rows], task.corpus.rules, task.language)
            found.add(rows, curated)
            texts = []
            for number, row in enumerate(rows):
                text, reason, check = curated.texts[number], curated.reasons[number], curated.checks[number]
                if not row.text or not (text or reason):  # a rule has nothing to say of what came without text
                    reason, check = "empty", None
                if reason:
                    dropped.add(row.id, reason, check, row.text)
                    continue
                scores = [(name, float(values[number])) for name, values in curated.scores.items()]
                kept.add((row.id, row.group, task.card, text, task.licence, row.url, _finite(scores), 1))
                texts.append(text)
            hashes.append(text_hashes(texts))
            lines.append(text_hashes(line for text in texts for line in text.split("\n")))
            lengths += [text.count("\n") + 1 for text in texts]
            if near is not None:
                signed.append(signatures(texts, near))
    save_array(out / DOCUMENTS, np.concatenate(hashes))
    save_array(out / LINES, np.concatenate(lines))
    save_array(out / LENGTHS, np.array(lengths, np.int64))
    if near is not None:
        signature_files(out).save(_joined(signed or [signatures([], near)]))
    (out / FIGURES).write_text(json.dumps(found.figures(), sort_keys=True, ensure_ascii=False), encoding="utf-8")


class ShardFigures:
    """What was read, and what the rules found in it."""

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()
        self.rules: dict[str, Counter[str]] = {}
        self.seconds: Counter[str] = Counter()
        self.lines: dict[str, list[str]] = {}

    def add(self, rows: Sequence[Row], curated: Curated) -> None:
        """Count a batch."""
        self.read["documents"] += len(rows)
        self.read["bytes"] += sum(len(row.text.encode()) for row in rows)
        for rule, counts in curated.counts.items():
            self.rules.setdefault(rule, Counter()).update(counts)
        self.seconds.update(curated.seconds)
        self.lines = line_examples([self.lines, curated.lines])

    def figures(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {"read": self.read, "rules": self.rules, "seconds": self.seconds, "lines": self.lines}


def _batches(raw: Path) -> Iterator[list[Row]]:
    """Yield documents in batches of about a million characters, their lines normalised and the empty ones left out."""
    rows: list[Row] = []
    size = 0
    for batch in record_batches(raw, ["id", "group", "url", "lines"], BATCH_ROWS):
        for name, group, url, lines in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            text = "\n".join(filter(None, map(normalise, lines)))
            rows.append(Row(name, group, url, text))
            size += len(text)
            if size >= BATCH_CHARACTERS:
                yield rows
                rows, size = [], 0
    if rows:
        yield rows


def _finite(scores: list[tuple[str, float]]) -> list[tuple[str, float]]:
    return [(name, value) for name, value in scores if value == value]


def _joined(parts: Sequence[Signatures]) -> Signatures:
    bands = np.concatenate([part.bands for part in parts], axis=1)
    return Signatures(bands, np.concatenate([part.rows for part in parts]))
