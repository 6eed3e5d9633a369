"""Documents out of pairs that come one after the other."""

from collections.abc import Iterable, Iterator

from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import BrokenInput
from stages.shared.readers.task import Found

Pair = tuple[int, Segment | BrokenInput]
"""A pair and its number, from 1, in the file; or what is wrong with it."""


def in_groups(path: str, pairs: Iterable[Pair], group_lines: int) -> Iterator[Found]:
    """Yield documents of `group_lines` consecutive pairs each, every one a group of its own.

    A document is named by the number of its first pair. A broken pair counts for itself: the others do not go with it.
    """
    part: list[Segment] = []
    first = taken = 0
    for number, pair in pairs:
        if isinstance(pair, BrokenInput):
            yield pair
        else:
            first = first if part else number
            part.append(pair)
        taken += 1
        if taken == group_lines:
            if part:
                yield Document(f"{path}#{first}", f"{path}#{first}", tuple(part))
            part, taken = [], 0
    if part:
        yield Document(f"{path}#{first}", f"{path}#{first}", tuple(part))


def by_origin(path: str, pairs: Iterable[tuple[str, Segment | BrokenInput]]) -> Iterator[Found]:
    """Yield a document, and group, for each run of consecutive pairs of one origin, named by it."""
    part: list[Segment] = []
    current, runs = "", dict[str, int]()
    for origin, pair in pairs:
        if origin != current:
            if part:
                yield _of(path, current, part, runs)
            part, current = [], origin
        if isinstance(pair, BrokenInput):
            yield pair
        else:
            part.append(pair)
    if part:
        yield _of(path, current, part, runs)


def _of(path: str, origin: str, part: list[Segment], runs: dict[str, int]) -> Document:
    runs[origin] = run = runs.get(origin, 0) + 1
    name = f"{path}#{origin}" if run == 1 else f"{path}#{origin}#{run}"
    return Document(name, f"{path}#{origin}", tuple(part))
