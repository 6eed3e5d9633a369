"""Parquet tables."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.section import Section
from stages.shared.documents import Document
from stages.shared.readers.table import row_reader
from stages.shared.readers.task import ReadTask
from stages.shared.readers.text_file import broken

BATCH_ROWS = 1000


class ParquetOptions(Section):
    """Options of the reader `parquet`."""

    files: str
    """Glob pattern."""


def read_parquet(task: ReadTask, options: ParquetOptions) -> Iterator[Document]:
    """Yield a document for each row; only the columns that the data card names are read from the disk."""
    documents = row_reader(task)
    wanted = {path.split(".")[0] for path in task.columns.values()}
    for name, path in task.files(options.files):
        number = 0
        try:
            table = pq.ParquetFile(path)
            columns = [column for column in table.schema_arrow.names if column in wanted]
            for batch in table.iter_batches(BATCH_ROWS, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield from documents(name, number, row)
        except (pa.ArrowInvalid, OSError) as error:
            raise broken(path, f"after row {number}", f"not a whole Parquet file ({error})") from None
