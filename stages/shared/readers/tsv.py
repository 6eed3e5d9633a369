"""Pairs in one file, source and target separated by a tab."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import PositiveInt

from pipeline.section import Section
from stages.shared.documents import Segment
from stages.shared.readers.broken import BrokenInput, broken
from stages.shared.readers.pairs import Pair, in_groups
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import checked_lines


class TsvOptions(Section):
    """Options of the reader `tsv`."""

    files: str
    """Glob pattern; .gz, .zst, .bz2 and .xz are unpacked. Columns after the second are not read."""
    group_lines: PositiveInt
    """Consecutive pairs that stay together in the split: 1 where lines are independent of each other."""


def read_tsv(task: ReadTask, options: TsvOptions) -> Iterator[Found]:
    """Yield documents of `group_lines` pairs; blank lines are skipped."""
    return task.documents(
        options.files,
        lambda name, path: in_groups(name, _pairs(path, task.handling.max_line_bytes), options.group_lines),
    )


def _pairs(path: Path, max_line_bytes: int) -> Iterator[Pair]:
    for number, line in checked_lines(path, max_line_bytes):
        if isinstance(line, BrokenInput):
            yield number, line
        elif line.strip():
            columns = line.split("\t")
            if len(columns) < 2:
                yield number, broken(path, f"line {number}", "no tab between a source and a target side", "document")
            else:
                yield number, Segment(columns[0], columns[1])
