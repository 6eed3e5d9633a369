"""Rows of a table: JSON lines and Parquet, with column paths such as `translation.nl`."""

from collections.abc import Callable
from typing import Any

from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import BrokenInput, Lost, broken
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import check_no_nul, decode

Row = dict[str, Any]


def no_column(place: str, column: str, held: str, lost: Lost = "document") -> BrokenInput:
    """Return the error for a column path that leads nowhere; `held` says what is there."""
    return BrokenInput(f"{place}: no column '{column}' (there is: {held}); correct the data card's `columns`", lost)


def text_at(row: Row, column: str, place: str) -> str:
    """Return the text at a column path, "" where it is null.

    Raises BrokenInput that names the place where there is no such column, something else than text (a number's or a
    truth value's name is nobody's text), bytes that are not UTF-8, or NUL characters.
    """
    value = _value_at(row, column, place)
    if value is None:
        return ""
    if isinstance(value, bytes):
        return decode(value, place, f"column '{column}'", lost="document")
    if not isinstance(value, str):
        raise BrokenInput(
            f"{place}: column '{column}' holds {type(value).__name__}, not text; correct `columns`", "document"
        )
    check_no_nul(value, place, f"column '{column}'", "document")
    return value


def check_size(text: str, place: str, max_bytes: int) -> None:
    """Raise BrokenInput for a text that is too long, or that JSON made of half a character (`\\ud800`)."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise broken(place, f"character {error.start + 1}", "half of a surrogate pair", "document") from None
    if size > max_bytes:
        raise broken(place, "text", f"{size:,} bytes, more than {max_bytes:,}", "document")


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
    return [*sides, *(path for key, path in task.columns.items() if key in ("group", "url"))]


def row_reader(task: ReadTask) -> Callable[[str, int, Row], Found]:
    """Return a function that makes the document of a row, given the file's name, the row's number and the row.

    Where the row is broken, the function returns what is wrong with it.
    """
    target = task.column(task.languages[1] if task.parallel else "text")
    source = task.column(task.languages[0]) if task.parallel else None
    group, url = task.columns.get("group"), task.columns.get("url")

    def document(name: str, number: int, row: Row) -> Document:
        place = f"{task.card}: {name}: row {number}"
        text = text_at(row, target, place)
        check_size(text, place, task.handling.max_line_bytes)
        if source:
            segments: tuple[Segment, ...] = (Segment(text_at(row, source, place), text),)
        else:
            segments = tuple(Segment("", line) for line in text.splitlines())
        row_name = f"{name}#{number}"
        own_group = group_at(row, group, place) if group else row_name
        return Document(row_name, own_group, segments, text_at(row, url, place) if url else "")

    def found(name: str, number: int, row: Row) -> Found:
        try:
            return document(name, number, row)
        except BrokenInput as fault:
            return fault

    return found
