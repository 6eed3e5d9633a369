"""Parquet tables."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.section import Section
from stages.shared.documents import Document
from stages.shared.readers.table import no_column, row_reader, wanted_columns
from stages.shared.readers.task import ReadTask
from stages.shared.readers.text_file import broken

BATCH_ROWS = 1000


class ParquetOptions(Section):
    """Options of the reader `parquet`."""

    files: str
    """Glob pattern."""


def read_parquet(task: ReadTask, options: ParquetOptions) -> Iterator[Document]:
    """Yield a document for each row; only the columns that the data card names are read from the disk.

    Raises UserError where a file is not whole or lacks a column.
    """
    documents = row_reader(task)
    wanted = {path.split(".")[0]: path for path in wanted_columns(task)}
    for name, path in task.files(options.files):
        number = 0
        try:
            table = pq.ParquetFile(path)
            names = table.schema_arrow.names
            for column in sorted(wanted.keys() - names):
                raise no_column(f"{task.card}: {name}", wanted[column], ", ".join(sorted(names)))
            for batch in table.iter_batches(BATCH_ROWS, columns=[column for column in names if column in wanted]):
                for row in batch.to_pylist():
                    number += 1
                    yield from documents(name, number, row)
        except (pa.ArrowInvalid, OSError) as error:
            raise broken(path, f"after row {number}", f"not a whole Parquet file ({error})") from None
