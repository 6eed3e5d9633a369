"""Pairs in one file, source and target separated by a tab."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import PositiveInt

from pipeline.section import Section
from stages.shared.documents import Document, Segment, in_groups
from stages.shared.readers.task import ReadTask
from stages.shared.readers.text_file import broken, text_lines


class TsvOptions(Section):
    """Options of the reader `tsv`."""

    files: str
    """Glob pattern; .gz and .zst are unpacked. Columns after the second are not read."""
    group_lines: PositiveInt
    """Consecutive pairs that stay together in the split: 1 where lines are independent of each other."""


def read_tsv(task: ReadTask, options: TsvOptions) -> Iterator[Document]:
    """Yield documents of `group_lines` pairs; blank lines are skipped."""
    for name, path in task.files(options.files):
        yield from in_groups(name, _pairs(path), options.group_lines)


def _pairs(path: Path) -> Iterator[tuple[int, Segment]]:
    for number, line in text_lines(path):
        if not line.strip():
            continue
        columns = line.split("\t")
        if len(columns) < 2:
            raise broken(path, f"line {number}", "no tab between a source and a target side")
        yield number, Segment(columns[0], columns[1])
