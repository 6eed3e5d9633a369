"""Counts of what was read, kept and dropped."""

from collections import Counter
from typing import Any


class Tally:
    """How many of something were read, and why some were dropped; the rest is kept."""

    def __init__(self) -> None:
        self.read = 0
        self.kept = 0
        self.dropped: Counter[str] = Counter()

    def keep(self) -> None:
        """Count one that was read and stays."""
        self.read += 1
        self.kept += 1

    def drop(self, reason: str) -> None:
        """Count one that was read and goes."""
        self.read += 1
        self.dropped[reason] += 1

    def drop_kept(self, reason: str) -> None:
        """Count one that was kept until now and goes."""
        self.kept -= 1
        self.dropped[reason] += 1

    def check(self, name: str) -> None:
        """Raise RuntimeError where read is not kept + dropped."""
        if self.read != self.kept + self.dropped.total():
            raise RuntimeError(f"{name}: {self.read} read, but {self.kept} kept and {self.dropped.total()} dropped")

    def figures(self, name: str) -> dict[str, Any]:
        """Return the counts, the number read under `name`, the reasons sorted."""
        return {name: self.read, "kept": self.kept, "dropped": dict(sorted(self.dropped.items()))}
