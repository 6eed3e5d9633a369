"""Web pages as files: legislation, job advertisements, manuals."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import BrokenInput, broken
from stages.shared.readers.html_text import PageRules, decode_html, page_of
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import byte_lines


class HtmlOptions(PageRules):
    """Options of the reader `html`."""

    files: str
    """Glob pattern; .gz, .zst, .bz2 and .xz are unpacked."""
    group: Literal["file", "folder"]
    """What stays together in the split."""


def read_html(task: ReadTask, options: HtmlOptions) -> Iterator[Found]:
    """Yield a document for each page; one without any text in the part that the options name is empty and told."""

    without: list[str] = []

    def read(name: str, path: Path) -> Iterator[Found]:
        try:
            text = decode_html(whole(path, task.handling.max_line_bytes), None, path, "page", "document")
            page = page_of(text, options, path, "page", "document")
        except BrokenInput as fault:
            yield BrokenInput(str(fault), "document")  # the file is one page, whatever of it is broken
            return
        group = name if options.group == "file" else PurePosixPath(name).parent.as_posix()
        if not page.lines:
            without.append(name)
        yield Document(name, group, tuple(Segment("", line) for line in page.lines), page.url)

    yield from task.documents(options.files, read)
    if without:
        task.tell(f"pages without text in the part that `reader` names: {len(without)} (the first: {without[0]})")


def whole(path: Path, max_bytes: int) -> bytes:
    """Return a file's content, unpacked; raise BrokenInput where it is more than `max_bytes`."""
    content = bytearray()
    for line in byte_lines(path, max_bytes):
        content += line or b""
        if line is None or len(content) > max_bytes:
            raise broken(path, "file", f"more than {max_bytes:,} bytes")
    return bytes(content)
