"""Documents and pairs in Parquet, streamed."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from stages.shared.overlap import SentenceIndex

ROW_GROUP = 10_000
DOCUMENT = ("id", "group", "card", "text")
PAIR = ("id", "group", "card", "source_text", "target_text")


class TableWriter:
    """A Parquet file of string columns; rows are written as they come. Use as a context manager."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.schema = pa.schema([(column, pa.string()) for column in columns])
        self.writer = pq.ParquetWriter(path, self.schema, compression="zstd")
        self.rows: list[Sequence[str]] = []

    def add(self, row: Sequence[str]) -> None:
        """Add one row, a text for each column."""
        self.rows.append(row)
        if len(self.rows) == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.schema)
        self.writer.write_table(pa.table([pa.array(column, pa.string()) for column in columns], schema=self.schema))
        self.rows = []

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self.writer.close()


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a whole table."""
    with TableWriter(path, columns) as writer:
        for row in rows:
            writer.add(row)


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a table, only a part of which is in memory."""
    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(ROW_GROUP, columns=list(columns)):
            yield from zip(*(batch.column(column).to_pylist() for column in columns), strict=True)


def read_lines(path: Path, column: str) -> Iterator[str]:
    """Yield each line of a column."""
    for (text,) in read_rows(path, [column]):
        yield from text.split("\n")


def held_out_index(corpus: Path) -> SentenceIndex:
    """Return the sentences of a corpus' validation and test split."""
    return SentenceIndex(
        line for name in ("validation", "test") for line in read_lines(corpus / f"{name}.parquet", "text")
    )
