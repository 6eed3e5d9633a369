"""Pairs in two files, line by line, as OPUS and Moses have them."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from pydantic import PositiveInt

from pipeline.errors import UserError
from pipeline.section import Section
from stages.shared.documents import Document, Segment, in_groups
from stages.shared.readers.task import ReadTask
from stages.shared.readers.text_file import text_lines


class MosesOptions(Section):
    """Options of the reader `moses`."""

    source: str
    """Pattern of the one file with the source side; .gz and .zst are unpacked."""
    target: str
    group_lines: PositiveInt
    """Consecutive pairs that stay together in the split, since they may be of one film or book."""


def read_moses(task: ReadTask, options: MosesOptions) -> Iterator[Document]:
    """Yield documents of `group_lines` pairs; raise UserError with both counts where the sides differ in length."""
    _, source = task.file(options.source)
    name, target = task.file(options.target)
    return in_groups(name, _pairs(source, target), options.group_lines)


def _pairs(source: Path, target: Path) -> Iterator[tuple[int, Segment]]:
    counts = [0, 0]
    for first, second in zip_longest(text_lines(source), text_lines(target)):
        counts[0] += first is not None
        counts[1] += second is not None
        if first is not None and second is not None:
            yield first[0], Segment(first[1], second[1])
    if counts[0] != counts[1]:
        raise UserError(
            f"the sides of a bitext differ in length: {source} has {counts[0]:,} lines and {target} {counts[1]:,}. "
            "Line n of one must translate line n of the other: fetch both again, or align them anew"
        )
