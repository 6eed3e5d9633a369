"""The documents that went: every id with its reason, and a few of them to look at."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """A table of one card's dropped documents, with excerpts as `mask` leaves them. Use as a context manager."""

    def __init__(self, path: Path, card: str, mask: Callable[[str], str] = str) -> None:
        self.table, self.card, self.mask = TableWriter(path, SCHEMA), card, mask
        self.shown: Counter[str] = Counter()

    def add(self, name: str, reason: str, check: str | None, text: str) -> None:
        """Add a document; `check` says which of a rule's checks it failed."""
        self.shown[reason] += 1
        # Masked before it is cut: half a telephone is not recognised.
        excerpt = self.mask(text)[:EXCERPT_CHARACTERS] if self.shown[reason] <= EXAMPLES else None
        self.table.add((name, self.card, reason, check, excerpt))

    def __enter__(self) -> "DroppedWriter":
        self.table.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.table.__exit__(kind, error, trace)


class DroppedLines:
    """The lines that went out of one shard's documents that stayed."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def add(self, reason: str, lines: Sequence[str]) -> None:
        """Count some lines."""
        if lines:
            self.counts[reason] += len(lines)
            self.examples[reason] = first_lines([self.examples.get(reason, []), lines])

    def save(self, path: Path) -> None:
        """Write counts and examples as a JSON file."""
        path.write_text(json.dumps(vars(self), ensure_ascii=False), encoding="utf-8")


def first_lines(parts: Iterable[Sequence[str]]) -> list[str]:
    """Return the first ten lines of several lists, cut short."""
    found = [line for part in parts for line in part[:EXAMPLES]]
    return [line[:EXCERPT_CHARACTERS] for line in found[:EXAMPLES]]


def line_examples(shards: Iterable[Mapping[str, Sequence[str]]]) -> dict[str, list[str]]:
    """Return ten lines of each reason, the first over all shards."""
    found: dict[str, list[Sequence[str]]] = {}
    for shard in shards:
        for reason, lines in shard.items():
            found.setdefault(reason, []).append(lines)
    return {reason: lines for reason, parts in sorted(found.items()) if (lines := first_lines(parts))}
