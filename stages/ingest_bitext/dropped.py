"""The pairs that went: how many by reason, and the first of each to look at."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from stages.shared.documents import Segment
from stages.shared.identity import id_sum

EXAMPLES = 10
EXCERPT_CHARACTERS = 300

Examples = dict[str, list[dict[str, str]]]


class Dropped:
    """Counts of one shard."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.ids = 0
        self.examples: Examples = {}

    def add(self, name: str, reason: str, pair: Segment) -> None:
        """Count a pair."""
        self.counts[reason] += 1
        self.ids += id_sum([name])
        listed = self.examples.setdefault(reason, [])
        if len(listed) < EXAMPLES:
            sides = {"source": pair.source[:EXCERPT_CHARACTERS], "target": pair.target[:EXCERPT_CHARACTERS]}
            listed.append({"id": name, **sides})

    def figures(self) -> dict[str, Any]:
        """Return the counts, the sum of the ids and examples as JSON values."""
        return {"dropped": dict(self.counts), "dropped_ids": self.ids, "examples": self.examples}


def first_examples(figures: Iterable[Mapping[str, Any]]) -> Examples:
    """Return the first examples of each reason over all shards, by reason."""
    found: Examples = {}
    for one in figures:
        for reason, listed in one["examples"].items():
            found.setdefault(reason, []).extend(listed)
    return {reason: listed[:EXAMPLES] for reason, listed in sorted(found.items())}
