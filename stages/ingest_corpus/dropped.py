"""The documents that went: every id with its reason, and a few of them to look at."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from stages.shared.text_table import TableWriter

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("card", pa.string()),
        ("reason", pa.string()),
        ("check", pa.string()),
        ("excerpt", pa.string()),
    ]
)
EXAMPLES = 10
"""Of each reason and shard, with an excerpt."""
EXCERPT_CHARACTERS = 400


class DroppedWriter:
    """A table of one card's dropped documents. Use as a context manager."""

    def __init__(self, path: Path, card: str) -> None:
        self.table, self.card = TableWriter(path, SCHEMA), card
        self.shown: Counter[str] = Counter()

    def add(self, name: str, reason: str, check: str | None, text: str) -> None:
        """Add a document; `check` says which of a rule's checks it failed."""
        self.shown[reason] += 1
        excerpt = text[:EXCERPT_CHARACTERS] if self.shown[reason] <= EXAMPLES else None
        self.table.add((name, self.card, reason, check, excerpt))

    def __enter__(self) -> "DroppedWriter":
        self.table.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.table.__exit__(kind, error, trace)


def id_sum(names: Iterable[str]) -> int:
    """Return a hash of 64 bits of a multiset of ids: the sums of its parts add up to that of the whole."""
    return sum(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") for name in names) % 2**64
