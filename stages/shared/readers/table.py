"""Rows of a table: JSON lines and Parquet, with column paths such as `translation.nl`."""

from collections.abc import Callable, Iterator
from typing import Any

from pipeline.errors import UserError
from stages.shared.documents import Document, Segment
from stages.shared.readers.task import ReadTask

Row = dict[str, Any]


def value_at(row: Row, column: str, place: str) -> str:
    """Return the text at a column path; raise UserError that names the place where there is none."""
    value: Any = row
    for key in column.split("."):
        if not isinstance(value, dict) or key not in value:
            held = ", ".join(sorted(value)) if isinstance(value, dict) else type(value).__name__
            raise UserError(f"{place}: no column '{column}' (there is: {held}); correct the data card's `columns`")
        value = value[key]
    if value is None:
        return ""
    if isinstance(value, (dict, list, float)):
        raise UserError(f"{place}: column '{column}' holds {type(value).__name__}, not text; correct `columns`")
    return str(value)


def row_reader(task: ReadTask) -> Callable[[str, int, Row], Iterator[Document]]:
    """Return a function that makes the document of a row, given the file's name, the row's number and the row."""
    target = task.column(task.languages[1] if task.parallel else "text")
    source = task.column(task.languages[0]) if task.parallel else None
    group = task.columns.get("group")

    def documents(name: str, number: int, row: Row) -> Iterator[Document]:
        place = f"{task.card}: {name}: row {number}"
        text = value_at(row, target, place)
        name_of_row = f"{name}#{number}"
        own_group = value_at(row, group, place) if group else name_of_row
        if source:
            yield Document(name_of_row, own_group, (Segment(value_at(row, source, place), text),))
        else:
            lines = tuple(Segment("", line) for line in text.splitlines())
            yield Document(name_of_row, own_group, lines)

    return documents
