"""JSON lines, plain or compressed."""

import json
from collections.abc import Iterator
from pathlib import Path

from pipeline.section import Section
from stages.shared.readers.broken import BrokenInput, broken
from stages.shared.readers.table import Row, row_reader
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import checked_lines


class JsonlOptions(Section):
    """Options of the reader `jsonl`."""

    files: str
    """Glob pattern; .gz, .zst, .bz2 and .xz are unpacked."""


def read_jsonl(task: ReadTask, options: JsonlOptions) -> Iterator[Found]:
    """Yield a document for each row; the data card's `columns` say where its text, group and address stand.

    The line that is not JSON, and the row without the column, are broken documents.
    """
    documents = row_reader(task)

    def read(name: str, path: Path) -> Iterator[Found]:
        for number, line in checked_lines(path, task.handling.max_line_bytes):
            if isinstance(line, BrokenInput):
                yield line
            elif line.strip():
                row = json_row(path, number, line)
                yield row if isinstance(row, BrokenInput) else documents(name, number, row)

    return task.documents(options.files, read)


def json_row(path: Path, number: int, line: str) -> Row | BrokenInput:
    """Return the row that a line holds, or what is wrong with it."""
    try:
        row: Row = json.loads(line)
    except json.JSONDecodeError as error:
        return broken(path, f"line {number}", f"not JSON ({error.msg}, column {error.colno})", "document")
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
        return broken(path, f"line {number}", f"JSON that cannot be read ({error})", "document")
    return row
