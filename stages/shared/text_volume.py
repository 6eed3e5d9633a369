"""How much text a source really holds: what is distinct and translated."""

from collections.abc import Iterable
from typing import NamedTuple

from stages.shared.documents import Document
from stages.shared.normalisation import normalise


class Volume(NamedTuple):
    """Size of the target side of some documents, each line counted once, and none that repeats its source."""

    words: int
    """Separated by white space."""
    bytes: int
    """Of UTF-8, without line ends."""
    pairs: int
    """Distinct pairs of a source and a target line; 0 for monolingual text."""


def volume(documents: Iterable[Document]) -> Volume:
    """Return how much target text documents hold, before any cleaning but normalisation.

    >>> from stages.shared.documents import Segment
    >>> volume([Document("a", "a", (Segment("one", "een"), Segment("Open", "Open"), Segment("one", "een ")))])
    Volume(words=1, bytes=3, pairs=1)
    """
    lines: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for document in documents:
        for segment in document.segments:
            source, target = normalise(segment.source), normalise(segment.target)
            if not target or target == source:
                continue
            lines.add(target)
            if source:
                pairs.add((source, target))
    return Volume(sum(len(line.split()) for line in lines), sum(len(line.encode()) for line in lines), len(pairs))
