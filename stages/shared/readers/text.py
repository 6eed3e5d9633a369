"""Plain text: documents separated by blank lines, or one a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pipeline.section import Section
from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import BrokenInput
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import checked_lines


class TextOptions(Section):
    """Options of the reader `text`."""

    files: str
    """Glob pattern; .gz, .zst, .bz2 and .xz are unpacked."""
    documents: Literal["blank_lines", "lines"]
    """What separates documents. Each document is a group of its own."""


def read_plain_text(task: ReadTask, options: TextOptions) -> Iterator[Found]:
    """Yield the documents of all files, in the order of their names; one with a broken line is broken whole."""

    def read(name: str, path: Path) -> Iterator[Found]:
        part: list[Segment] = []
        fault: BrokenInput | None = None
        first = 0
        for number, line in checked_lines(path, task.handling.max_line_bytes):
            blank = False
            if isinstance(line, BrokenInput):
                fault = fault or line
            elif line.strip():
                first = first if part else number
                part.append(Segment("", line))
            else:
                blank = True
            if (part or fault) and (options.documents == "lines" or blank):
                yield fault or _document(name, first, part)
                part, fault = [], None
        if part or fault:
            yield fault or _document(name, first, part)

    return task.documents(options.files, read)


def _document(name: str, first: int, segments: list[Segment]) -> Document:
    return Document(f"{name}#{first}", f"{name}#{first}", tuple(segments))
