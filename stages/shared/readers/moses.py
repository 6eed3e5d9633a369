"""Pairs in two files, line by line, as OPUS and Moses have them."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import PositiveInt

from pipeline.section import Section
from stages.shared.documents import Segment
from stages.shared.readers.broken import BrokenInput
from stages.shared.readers.pairs import by_origin, in_groups
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import byte_lines, checked_lines

Line = str | BrokenInput


class MosesOptions(Section):
    """Options of the reader `moses`."""

    source: str
    """Pattern of the one file with the source side; .gz, .zst, .bz2 and .xz are unpacked."""
    target: str
    group_lines: PositiveInt
    """Consecutive pairs that stay together in the split, since they may be of one film or book."""
    ids: str | None = None
    """Pattern of OPUS' file of ids, by which a film or book is known exactly; then `group_lines` is not used."""


def read_moses(task: ReadTask, options: MosesOptions) -> Iterator[Found]:
    """Yield documents of `group_lines` pairs, or one for each film or book.

    Sides that differ in length are a fault that names both counts, and so is one that is cut off: nothing of them is
    read, for a line more or less at the top pairs all that follow wrongly. So each file is read twice, first to count.
    """
    (_, source), (name, target) = task.file(options.source), task.file(options.target)
    ids = [task.file(options.ids)[1]] if options.ids else []
    rows = _rows([source, target, *ids], task.handling.max_line_bytes)
    if ids:
        return by_origin(name, ((_origin(row[2]), _pair(row)) for _, row in rows))
    return in_groups(name, ((number, _pair(row)) for number, row in rows), options.group_lines)


def _rows(paths: list[Path], max_line_bytes: int) -> Iterator[tuple[int, list[Line]]]:
    counts = [sum(1 for _ in byte_lines(path, max_line_bytes)) for path in paths]
    if len(set(counts)) > 1:
        counted = " and ".join(f"{path} {count:,}" for path, count in zip(paths[1:], counts[1:], strict=True))
        raise BrokenInput(
            f"the sides of a bitext differ in length: {paths[0]} has {counts[0]:,} lines and {counted}. "
            "Line n of one must translate line n of the other: fetch both again, or align them anew",
            "file",
        )
    for lines in zip(*(checked_lines(path, max_line_bytes) for path in paths), strict=True):
        yield lines[0][0], [text for _, text in lines]


def _pair(row: list[Line]) -> Segment | BrokenInput:
    source, target = row[:2]
    if isinstance(source, BrokenInput):
        return source
    return target if isinstance(target, BrokenInput) else Segment(source, target)


def _origin(line: Line) -> str:
    """Return the target side's document: OPUS writes both documents and the numbers of the sentences, by tabs."""
    columns = [] if isinstance(line, BrokenInput) else line.split("\t")
    return columns[1] if len(columns) > 1 else "?"
