"""New texts from old ones."""

from collections.abc import Iterable

import numpy as np

from stages.shared.curation.batch import Batch, Mask

Edit = tuple[int, int, str]
"""From a character to another, what is to stand there."""


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return a text with pieces replaced that do not overlap, given in their order.

    >>> edited("een twee drie", [(4, 8, "2")])
    'een 2 drie'
    """
    parts, done = [], 0
    for start, end, new in edits:
        parts += [text[done:start], new]
        done = end
    return "".join([*parts, text[done:]])


def without_lines(batch: Batch, dropped: Mask) -> dict[int, str]:
    """Return the new texts of the documents that lose lines, given which of the batch's lines go."""
    lines, texts = batch.lines, {}
    for document in np.unique(lines.documents[dropped]).tolist():
        first, last = np.searchsorted(lines.documents, [document, document + 1])
        kept = [number for number in range(first, last) if not dropped[number]]
        texts[document] = "\n".join(batch.text(lines.starts[number], lines.ends[number]) for number in kept)
    return texts


def empty_of(batch: Batch, dropped: Mask) -> Mask:
    """Return which documents have no line left, given which of the batch's lines go."""
    empty: Mask = batch.count(batch.lines.documents[~dropped]) == 0
    return empty
