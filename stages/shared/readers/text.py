"""Plain text: documents separated by blank lines, or one a line."""

from collections.abc import Iterator
from typing import Literal

from pipeline.section import Section
from stages.shared.documents import Document, Segment
from stages.shared.readers.task import ReadTask
from stages.shared.readers.text_file import text_lines


class TextOptions(Section):
    """Options of the reader `text`."""

    files: str
    """Glob pattern; .gz and .zst are unpacked."""
    documents: Literal["blank_lines", "lines"]
    """What separates documents. Each document is a group of its own."""


def read_plain_text(task: ReadTask, options: TextOptions) -> Iterator[Document]:
    """Yield the documents of all files, in the order of their names."""
    for name, path in task.files(options.files):
        part: list[Segment] = []
        first = 0
        for number, line in text_lines(path):
            if line.strip():
                first = first if part else number
                part.append(Segment("", line))
            if part and (options.documents == "lines" or not line.strip()):
                yield Document(f"{name}#{first}", f"{name}#{first}", tuple(part))
                part = []
        if part:
            yield Document(f"{name}#{first}", f"{name}#{first}", tuple(part))
