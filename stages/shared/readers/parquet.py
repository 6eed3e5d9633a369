"""Parquet tables."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.section import Section
from stages.shared.readers.broken import BrokenInput, broken
from stages.shared.readers.table import Row, no_column, row_reader, wanted_columns
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import not_utf8

BATCH_ROWS = 1000


class ParquetOptions(Section):
    """Options of the reader `parquet`."""

    files: str
    """Glob pattern."""


def read_parquet(task: ReadTask, options: ParquetOptions) -> Iterator[Found]:
    """Yield a document for each row; only the columns that the data card names are read from the disk.

    Files that are not whole or lack a column are broken, and rows that hold something else than text.
    """
    documents = row_reader(task)
    wanted = {path.split(".")[0]: path for path in wanted_columns(task)}

    def read(name: str, path: Path) -> Iterator[Found]:
        number = 0
        try:
            with pq.ParquetFile(path) as table:
                names = table.schema_arrow.names
                for column in sorted(wanted.keys() - names):
                    raise no_column(f"{task.card}: {name}", wanted[column], ", ".join(sorted(names)), "file")
                batches = table.iter_batches(BATCH_ROWS, columns=[column for column in names if column in wanted])
                for number, row in numbered_rows(batches, f"{task.card}: {name}"):
                    yield row if isinstance(row, BrokenInput) else documents(name, number, row)
        except (pa.ArrowInvalid, OSError) as error:
            raise broken(path, f"after row {number}", f"not a whole Parquet file ({error})") from None

    return task.documents(options.files, read)


def numbered_rows(batches: Iterable[pa.RecordBatch], place: str) -> Iterator[tuple[int, Row | BrokenInput]]:
    """Yield number, from 1, and row of a table, and in the place of one whose text is not UTF-8 what is wrong."""
    for number, row in enumerate((row for batch in batches for row in _rows(batch)), start=1):
        if isinstance(row, UnicodeDecodeError):
            yield number, not_utf8(place, f"row {number}", row, "document")
        else:
            yield number, row


def _rows(batch: pa.RecordBatch) -> list[Row | UnicodeDecodeError]:
    """Return the rows of a batch, and in the place of each whose text is not UTF-8 the error."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError as error:
        if batch.num_rows == 1:
            return [error]
        return [row for number in range(batch.num_rows) for row in _rows(batch.slice(number, 1))]
