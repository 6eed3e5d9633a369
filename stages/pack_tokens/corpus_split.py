"""What of a corpus split is known before it is tokenized."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from stages.pack_tokens.token_store import BATCH_DOCUMENTS
from stages.shared.text_table import record_batches


@dataclass(frozen=True)
class Split:
    """One split of the corpus: ids of its documents, and, shape (documents,), their UTF-8 bytes and repeats."""

    name: str
    path: Path
    ids: list[str]
    lengths: np.ndarray
    repeats: np.ndarray
    """How often each document is read in an epoch."""


def read_split(corpus: Path, name: str) -> Split:
    """Read ids, lengths and repeats of a split, not its text."""
    path = corpus / f"{name}.parquet"
    ids: list[str] = []
    lengths, repeats = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for batch in record_batches(path, ["id", "text", "repeats"], BATCH_DOCUMENTS):
        ids += batch.column("id").to_pylist()
        lengths.append(pc.binary_length(batch.column("text")).to_numpy(zero_copy_only=False).astype(np.int64))
        repeats.append(batch.column("repeats").to_numpy().astype(np.int64))
    return Split(name, path, ids, np.concatenate(lengths), np.concatenate(repeats))
