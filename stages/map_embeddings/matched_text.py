"""The same text in the tokens of two tokenizers, and where both have read equally much of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stages.shared.token_text import Vocabulary


@dataclass(frozen=True)
class Passage:
    """A stretch of text as two models read it, each with its own start token before it."""

    source: np.ndarray
    """Token ids, int64, shape (source tokens,)."""
    target: np.ndarray
    """Token ids, int64, shape (target tokens,)."""
    source_places: np.ndarray
    """Tokens after which the other tokenizer ends one too, int64, shape (matches,); never the start token."""
    target_places: np.ndarray
    """The tokens that end there in the other one, the same shape."""


@dataclass(frozen=True)
class Side:
    """A tokenizer, and how its model reads a passage."""

    vocabulary: Vocabulary
    start: int
    """Id of the token that begins a passage."""
    most_tokens: int
    """In a passage, the start token included."""


def read_passages(texts: Sequence[str], source: Side, target: Side) -> Iterator[Passage]:
    """Cut texts into passages as long as both sides take, each ending where tokens of both end.

    Texts that a tokenizer does not give back byte for byte (it normalises, or has no token for a character) are passed
    over, and so are stretches longer than a passage in which no tokens end together.
    """
    both = (side.vocabulary.encode(texts) for side in (source, target))
    for text, source_ids, target_ids in zip(texts, *both, strict=True):
        source_ends = token_ends(source.vocabulary, source_ids, text)
        target_ends = token_ends(target.vocabulary, target_ids, text)
        if source_ends is None or target_ends is None:
            continue
        # The number of tokens that each side has read at the places where both have read the same bytes.
        _, ends, others = np.intersect1d(source_ends, target_ends, return_indices=True)
        read = np.stack([np.concatenate([[0], ends + 1]), np.concatenate([[0], others + 1])])
        for first, last in cut(read, np.array([source.most_tokens - 1, target.most_tokens - 1])):
            (begin, other_begin), (end, other_end) = read[:, first], read[:, last]
            yield Passage(
                np.array([source.start, *source_ids[begin:end]]),
                np.array([target.start, *target_ids[other_begin:other_end]]),
                read[0, first + 1 : last + 1] - begin,
                read[1, first + 1 : last + 1] - other_begin,
            )


def token_ends(vocabulary: Vocabulary, ids: Sequence[int], text: str) -> np.ndarray | None:
    """Return how many bytes of the text have been read after each token, int64, shape (tokens,).

    A space that the tokenizer puts before the text does not count. None where the tokens are not the text.
    """
    parts, data = [vocabulary.text[row] for row in ids], text.encode()
    read = b"".join(parts)
    if read not in (data, b" " + data) or not all(parts):
        return None
    return np.cumsum([len(part) for part in parts]) - (len(read) - len(data))


def cut(read: np.ndarray, most: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the first and last match of each passage, given the tokens read at the matches, shape (2, matches).

    >>> list(cut(np.array([[0, 1, 2, 3, 9], [0, 2, 4, 5, 6]]), np.array([4, 4])))
    [(0, 2), (2, 3)]
    """
    first = 0
    while first < read.shape[1] - 1:
        fitting = np.flatnonzero((read[:, first + 1 :] - read[:, first, None] <= most[:, None]).all(axis=0))
        last = first + 1 + int(fitting[-1]) if len(fitting) else first
        if last > first:
            yield first, last
        first = max(last, first + 1)


def batches(passages: Sequence[Passage], most_tokens: int) -> list[list[Passage]]:
    """Return the passages in batches of like length, whose padded sizes stay within `most_tokens` of either side."""
    found: list[list[Passage]] = []
    order = sorted(range(len(passages)), key=lambda place: (len(passages[place].target), place))
    longest = 0
    for passage in (passages[place] for place in order):
        size = max(len(passage.target), len(passage.source))
        longest = max(longest, size)
        if found and (len(found[-1]) + 1) * longest <= most_tokens:
            found[-1].append(passage)
        else:
            found.append([passage])
            longest = size
    return found


def padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return token ids side by side, shorter ones filled on the right, where a causal model's other positions never
    look; shape (rows, longest).
    """
    filled = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for place, row in enumerate(rows):
        filled[place, : len(row)] = row
    return filled


def split_at(passages: Sequence[Passage], tokens: int) -> tuple[list[Passage], list[Passage]]:
    """Return the first passages that have so many target tokens together, or all, and the others."""
    sizes = np.cumsum([len(passage.target) for passage in passages])
    number = int(np.searchsorted(sizes, tokens)) + 1
    return list(passages[:number]), list(passages[number:])
