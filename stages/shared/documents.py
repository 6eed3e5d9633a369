"""Documents: what every reader yields."""

from collections.abc import Iterator
from typing import NamedTuple


class Segment(NamedTuple):
    """A line, message or paragraph of a document."""

    source: str
    """Empty in monolingual text."""
    target: str


class Document(NamedTuple):
    """A text that belongs together."""

    id: str
    """Stable: path of its file and a key."""
    group: str
    """What the split is decided by: a help page, a catalogue, an extension, a book."""
    segments: tuple[Segment, ...]
    url: str = ""
    """Where it stands on the web, empty where that is not known."""


def cut(catalogue: Document, document_bytes: int) -> Iterator[Document]:
    """Cut a catalogue of messages into documents of about `document_bytes` UTF-8 bytes of target text, of one group.

    A message is never cut; the last document may be smaller.
    """
    part: list[Segment] = []
    size = number = 0
    for segment in catalogue.segments:
        part.append(segment)
        size += len(segment.target.encode())
        if size >= document_bytes:
            yield Document(f"{catalogue.id}#{number}", catalogue.group, tuple(part), catalogue.url)
            part, size, number = [], 0, number + 1
    if part:
        yield Document(f"{catalogue.id}#{number}", catalogue.group, tuple(part), catalogue.url)
