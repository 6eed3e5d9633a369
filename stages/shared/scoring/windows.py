"""Long documents as windows that a model can see at once."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Tokens `start` to `end` of a document, of which only the last `scored` count."""

    document: int
    start: int
    end: int
    scored: int

    def __len__(self) -> int:
        """Return the number of tokens."""
        return self.end - self.start


def cut_windows(lengths: Sequence[int], size: int) -> list[Window]:
    """Cut documents of `lengths` tokens, the BOS included, so that every token but the BOS is scored exactly once.

    The first window scores all that it holds; each further one moves on by half a window and scores what is new, so
    that no token beyond the first window is predicted from less than half a window of text.

    >>> [(w.start, w.end, w.scored) for w in cut_windows([9], size=4)]
    [(0, 4, 3), (2, 6, 2), (4, 8, 2), (5, 9, 1)]
    """
    windows: list[Window] = []
    for document, length in enumerate(lengths):
        end = min(length, size)
        if length > 1:
            windows.append(Window(document, 0, end, end - 1))
        while end < length:
            before, end = end, min(length, end + size // 2)
            windows.append(Window(document, end - size, end, end - before))
    return windows


def make_batches(windows: Sequence[Window], most_tokens: int) -> list[list[Window]]:
    """Return the windows longest first, in batches whose padded size stays within `most_tokens`; at least one each."""
    batches: list[list[Window]] = []
    for window in sorted(windows, key=lambda window: (-len(window), window.document, window.start)):
        # The first window of a batch is its longest, so it sets the padded length.
        if batches and (len(batches[-1]) + 1) * len(batches[-1][0]) <= most_tokens:
            batches[-1].append(window)
        else:
            batches.append([window])
    return batches
