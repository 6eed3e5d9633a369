"""Token ids of chosen documents, written once in the order of the file and copied out in any other."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from tqdm import tqdm

from stages.shared.text_table import record_batches

BATCH_DOCUMENTS = 256
"""Documents read at a time; bounds the memory, and changes nothing in the output."""
BATCH_CHARACTERS = 4_000_000
"""Text tokenized at a time, for a document may be a book; a token takes some 40 bytes until it is written."""

Encode = Callable[[list[str]], Sequence[Sequence[int]]]


class TokenStore:
    """A scratch file of token ids, and where each document of the Parquet file stands in it.

    A corpus may be larger than memory and its documents are wanted in a shuffled order, for which Parquet is slow.
    So documents are tokenized in the order of the file into a scratch file, and read from there at random.
    """

    def __init__(self, parquet: Path, documents: int, encode: Encode, dtype: np.dtype, scratch: Path) -> None:
        self.parquet, self.encode, self.dtype, self.scratch = parquet, encode, dtype, scratch
        self.offsets = np.full(documents, -1, dtype=np.int64)  # -1: not tokenized
        self.counts = np.zeros(documents, dtype=np.int64)
        self.words = np.zeros(documents, dtype=np.int64)
        self.written = 0
        self.file: BinaryIO

    def __enter__(self) -> Self:
        self.file = self.scratch.open("w+b")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.scratch.unlink()

    def add(self, rows: np.ndarray) -> None:
        """Tokenize those of the rows that are not there yet."""
        wanted = np.zeros(len(self.offsets), dtype=bool)
        wanted[rows] = True
        wanted &= self.offsets < 0
        if not wanted.any():
            return
        with tqdm(total=int(wanted.sum()), desc="tokenizing", unit="doc") as progress:
            for first, texts in read_texts(self.parquet):
                here = np.flatnonzero(wanted[first : first + len(texts)])
                for rows in portions(here, texts):
                    self._append(first + rows, [texts[row] for row in rows])
                    progress.update(len(rows))

    def _append(self, rows: np.ndarray, texts: list[str]) -> None:
        for row, text, ids in zip(rows, texts, self.encode(texts), strict=True):
            self.offsets[row], self.counts[row] = self.written, len(ids)
            self.words[row] = len(text.split())
            self.file.write(np.asarray(ids, dtype=self.dtype).tobytes())
            self.written += len(ids)

    def copy(self, rows: np.ndarray, path: Path) -> np.ndarray:
        """Write the documents of `rows` to `path`, one after the other, and return where each begins."""
        self.file.flush()
        with path.open("wb") as target:
            for row in tqdm(rows, desc=f"writing {path.name}", unit="doc", mininterval=1):
                self.file.seek(self.offsets[row] * self.dtype.itemsize)
                target.write(self.file.read(self.counts[row] * self.dtype.itemsize))
        self.file.seek(0, 2)
        counts = self.counts[rows]
        starts: np.ndarray = np.cumsum(counts) - counts
        return starts


def portions(rows: np.ndarray, texts: list[str]) -> Iterator[np.ndarray]:
    """Cut rows into runs of about BATCH_CHARACTERS of text, at least one row each."""
    start, size = 0, 0
    for number, row in enumerate(rows):
        size += len(texts[row])
        if size >= BATCH_CHARACTERS:
            yield rows[start : number + 1]
            start, size = number + 1, 0
    if start < len(rows):
        yield rows[start:]


def read_texts(parquet: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the texts of a corpus split in batches, each with the number of its first row."""
    first = 0
    for batch in record_batches(parquet, ["text"], BATCH_DOCUMENTS):
        texts = batch.column(0).to_pylist()
        yield first, texts
        first += len(texts)
