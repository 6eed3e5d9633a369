"""Rows of a table: JSON lines and Parquet, with column paths such as `translation.nl`."""

from collections.abc import Callable, Iterator
from typing import Any

from pipeline.errors import UserError
from stages.shared.documents import Document, Segment
from stages.shared.readers.task import ReadTask
from stages.shared.readers.text_file import decode

Row = dict[str, Any]


def no_column(place: str, column: str, held: str) -> UserError:
    """Return the error for a column path that leads nowhere; `held` says what is there."""
    return UserError(f"{place}: no column '{column}' (there is: {held}); correct the data card's `columns`")


def text_at(row: Row, column: str, place: str) -> str:
    """Return the text at a column path, "" where it is null.

    Raises UserError that names the place where there is no such column, something else than text (a number's or a
    truth value's name is nobody's text), or bytes that are not UTF-8.
    """
    value = _value_at(row, column, place)
    if value is None:
        return ""
    if isinstance(value, bytes):
        return decode(value, place, f"column '{column}'")
    if not isinstance(value, str):
        raise UserError(f"{place}: column '{column}' holds {type(value).__name__}, not text; correct `columns`")
    return value


def group_at(row: Row, column: str, place: str) -> str:
    """Return the group at a column path: text as `text_at` has it, or a whole number."""
    value = _value_at(row, column, place)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if whole else text_at(row, column, place)


def _value_at(row: Row, column: str, place: str) -> Any:
    value: Any = row
    for key in column.split("."):
        if not isinstance(value, dict) or key not in value:
            held = ", ".join(sorted(value)) if isinstance(value, dict) else type(value).__name__
            raise no_column(place, column, held)
        value = value[key]
    return value


def wanted_columns(task: ReadTask) -> list[str]:
    """Return the paths of the columns that are read; raise UserError where the data card does not name one."""
    sides = [task.column(code) for code in task.languages] if task.parallel else [task.column("text")]
    return [*sides, *(path for key, path in task.columns.items() if key == "group")]


def row_reader(task: ReadTask) -> Callable[[str, int, Row], Iterator[Document]]:
    """Return a function that makes the document of a row, given the file's name, the row's number and the row."""
    target = task.column(task.languages[1] if task.parallel else "text")
    source = task.column(task.languages[0]) if task.parallel else None
    group = task.columns.get("group")

    def documents(name: str, number: int, row: Row) -> Iterator[Document]:
        place = f"{task.card}: {name}: row {number}"
        text = text_at(row, target, place)
        name_of_row = f"{name}#{number}"
        own_group = group_at(row, group, place) if group else name_of_row
        if source:
            yield Document(name_of_row, own_group, (Segment(text_at(row, source, place), text),))
        else:
            lines = tuple(Segment("", line) for line in text.splitlines())
            yield Document(name_of_row, own_group, lines)

    return documents
