"""An even sample of the text of a split."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
from tqdm import tqdm

from stages.shared.text_table import record_batches

BATCH_DOCUMENTS = 256


def sampled_texts(parquet: Path, column: str, total: int, max_bytes: int) -> Iterator[str]:
    """Yield the texts of a column, of `total` bytes in all, or an even sample of them of about `max_bytes` bytes."""
    share = min(1.0, max_bytes / max(total, 1))
    with tqdm(total=total, desc="reading text", unit="B", unit_scale=True) as progress:
        for batch in record_batches(parquet, ["id", column], BATCH_DOCUMENTS):
            for name, text in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
                if share == 1.0 or position(name) < share:
                    yield text
            progress.update(pc.sum(pc.binary_length(batch.column(1))).as_py() or 0)


def position(name: str) -> float:
    """Return an evenly spread number in [0, 1) for a document id.

    It decides the sample without reading the corpus first, and without a random generator.
    """
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64


def text_bytes(parquet: Path, column: str = "text") -> int:
    """Count the UTF-8 bytes of a column."""
    batches = record_batches(parquet, [column], BATCH_DOCUMENTS)
    return sum(pc.sum(pc.binary_length(batch.column(0))).as_py() or 0 for batch in batches)
