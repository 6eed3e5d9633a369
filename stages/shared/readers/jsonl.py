"""JSON lines, plain, .gz or .zst."""

import json
from collections.abc import Iterator

from pipeline.section import Section
from stages.shared.documents import Document
from stages.shared.readers.table import row_reader
from stages.shared.readers.task import ReadTask
from stages.shared.readers.text_file import broken, text_lines


class JsonlOptions(Section):
    """Options of the reader `jsonl`."""

    files: str
    """Glob pattern."""


def read_jsonl(task: ReadTask, options: JsonlOptions) -> Iterator[Document]:
    """Yield a document for each row; the data card's `columns` say where its text and group stand.

    Raises UserError that names the line that is not JSON, or the row without the column.
    """
    documents = row_reader(task)
    for name, path in task.files(options.files):
        for number, line in text_lines(path):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise broken(path, f"line {number}", f"not JSON ({error.msg}, column {error.colno})") from None
            except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
                raise broken(path, f"line {number}", f"JSON that cannot be read ({error})") from None
            yield from documents(name, number, row)
