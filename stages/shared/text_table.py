"""Documents and pairs in Parquet, streamed: a table is a file, or a folder of files that are read in name order."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 10_000
GROUP_BYTES = 32_000_000
"""Text written at a time, for a document may be a book."""
PAIR = ("id", "group", "card", "source_text", "target_text")


class TableWriter:
    """A Parquet file; rows are written as they come. Use as a context manager.

    Columns are of strings, or as a schema says.
    """

    def __init__(self, path: Path, columns: Sequence[str] | pa.Schema) -> None:
        strings = not isinstance(columns, pa.Schema)
        self.schema = pa.schema([(column, pa.string()) for column in columns]) if strings else columns
        self.writer = pq.ParquetWriter(path, self.schema, compression="zstd")
        self.rows: list[Sequence[object]] = []
        self.size = 0

    def add(self, row: Sequence[object]) -> None:
        """Add one row, a value for each column."""
        self.rows.append(row)
        self.size += sum(len(value) for value in row if isinstance(value, str))
        if len(self.rows) == ROW_GROUP or self.size >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.schema)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, self.schema, strict=True)]
        self.writer.write_table(pa.table(arrays, schema=self.schema))
        self.rows, self.size = [], 0

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self.writer.close()


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a whole table as one file."""
    with TableWriter(path, columns) as writer:
        for row in rows:
            writer.add(row)


def table_files(path: Path) -> list[Path]:
    """Return the files of a table in their order."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def record_batches(path: Path, columns: Sequence[str], rows: int = ROW_GROUP) -> Iterator[pa.RecordBatch]:
    """Yield a table in batches of at most so many rows, only one of which is in memory."""
    for file in table_files(path):
        with pq.ParquetFile(file) as table:
            yield from table.iter_batches(rows, columns=list(columns))


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a table, only a part of which is in memory."""
    for batch in record_batches(path, columns):
        yield from zip(*(batch.column(column).to_pylist() for column in columns), strict=True)


def read_lines(path: Path, column: str) -> Iterator[str]:
    """Yield each line of a column."""
    for (text,) in read_rows(path, [column]):
        yield from text.split("\n")
