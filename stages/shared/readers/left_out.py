"""What a card's files hold that is not read, though they are sound: no fault, and not passed over in silence."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any


class LeftOut:
    """Notes as they come, and counts by kind over all that is read."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.counts: Counter[str] = Counter()

    def lines(self) -> list[str]:
        """Return the notes, and a line for each kind."""
        return all_lines([vars(self)])


def all_lines(parts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the lines of what several processes left out, each part the attributes of one's `LeftOut`."""
    notes, counts = list[str](), Counter[str]()
    for part in parts:
        notes += part["notes"]
        counts.update(part["counts"])
    return [*notes, *(f"{kind}: {count:,}" for kind, count in counts.items())]
