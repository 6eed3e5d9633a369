"""The lines that a tokenizer is trained on."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from pipeline.errors import UserError

BATCH_DOCUMENTS = 256
# SentencePiece silently skips every sentence with one of its own marks: tab, U+2581 (space) and U+2585 (unknown).
# Line ends separate sentences, and U+0000 ends a C string.
SEPARATORS = re.compile("[\n\r\t\u2581\u2585\0]+")


def training_texts(parquet: Path, max_bytes: int) -> Iterator[str]:
    """Yield the texts of the corpus, or an even sample of them of about `max_bytes` bytes.

    Raises UserError for a corpus without text.
    """
    total = text_bytes(parquet)
    if total == 0:
        raise UserError(f"{parquet} has no text to train a tokenizer on: add a corpus to the language's data cards.")
    share = min(1.0, max_bytes / total)
    with pq.ParquetFile(parquet) as file, tqdm(total=total, desc="reading text", unit="B", unit_scale=True) as progress:
        for batch in file.iter_batches(batch_size=BATCH_DOCUMENTS, columns=["id", "text"]):
            for name, text in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
                if share == 1.0 or position(name) < share:
                    yield text
            progress.update(pc.sum(pc.binary_length(batch.column(1))).as_py() or 0)


def lines(texts: Iterator[str]) -> Iterator[str]:
    """Yield the lines of texts, cut at the characters that SentencePiece keeps for itself."""
    for text in texts:
        yield from filter(None, SEPARATORS.split(text))


def position(name: str) -> float:
    """Return an evenly spread number in [0, 1) for a document id.

    It decides the sample without reading the corpus first, and without a random generator.
    """
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64


def text_bytes(parquet: Path) -> int:
    """Count the UTF-8 bytes of the text column."""
    total = 0
    with pq.ParquetFile(parquet) as file:
        for batch in file.iter_batches(batch_size=BATCH_DOCUMENTS, columns=["text"]):
            total += pc.sum(pc.binary_length(batch.column(0))).as_py() or 0
    return total
