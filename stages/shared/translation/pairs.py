"""Sentence pairs out of a bitext's documents."""

from collections.abc import Iterable

Pair = tuple[str, str]
"""A text and its translation."""


def usable_pairs(rows: Iterable[tuple[str, ...]], least_words: int) -> list[Pair]:
    """Return the pairs of single lines with enough words on both sides, each once, in their order."""
    pairs = dict.fromkeys((" ".join(source.split()), " ".join(target.split())) for source, target in rows)
    return [pair for pair in pairs if min(len(text.split()) for text in pair) >= least_words]
