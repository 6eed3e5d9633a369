"""An even sample of each source's text, in one pass and bounded memory."""

import heapq
from typing import NamedTuple

from stages.shared.text_sample import position


class Placed(NamedTuple):
    """A text and where its id's hash puts it; a heap of these has the farthest first."""

    minus_place: float
    id: str
    text: str


class Sample:
    """The texts with the smallest hashes of their ids: whatever comes later, the same ones."""

    def __init__(self, characters: int) -> None:
        self.most, self.characters = characters, 0
        self.limit = 1.0
        self.heap: list[Placed] = []

    def add(self, name: str, text: str) -> None:
        """Offer a text; of a long one its beginning counts."""
        place = position(name)
        if place >= self.limit:
            return
        text = text[: self.most]
        heapq.heappush(self.heap, Placed(-place, name, text))
        self.characters += len(text)
        while self.characters - len(self.heap[0].text) >= self.most:
            farthest = heapq.heappop(self.heap)
            self.characters -= len(farthest.text)
            self.limit = -farthest.minus_place

    @property
    def texts(self) -> list[str]:
        """Return the sample, the smallest hash first."""
        return [placed.text for placed in sorted(self.heap, reverse=True)]
