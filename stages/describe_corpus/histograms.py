"""How documents are spread over lengths and scores."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

SCORE_BINS = 20


@dataclass
class Histograms:
    """Counts of documents, in one pass over them."""

    words: np.ndarray = field(default_factory=lambda: np.zeros(32, np.int64))
    """By powers of two: the number at place n has 2 ** n words to less than twice as many."""
    values: dict[str, list[float]] = field(default_factory=dict)
    """Of each score, of at most MOST documents, evenly chosen."""
    documents: int = 0
    step: int = 1

    MOST = 100_000

    def add(self, text: str, scores: Iterable[tuple[str, float]]) -> None:
        """Count a document."""
        count = len(text.split())
        self.words[min(max(count, 1).bit_length() - 1, len(self.words) - 1)] += 1
        if self.documents % self.step == 0:
            for name, value in scores:
                self.values.setdefault(name, []).append(value)
        self.documents += 1
        if self.documents == self.step * self.MOST:
            self.step *= 2
            self.values = {name: values[::2] for name, values in self.values.items()}

    def lengths(self) -> list[dict[str, int]]:
        """Return the bins of lengths from the first to the last that holds a document: from, below, documents."""
        filled = np.flatnonzero(self.words)
        if not len(filled):
            return []
        return [
            {"from": 2**place, "below": 2 ** (place + 1), "documents": int(self.words[place])}
            for place in range(int(filled[0]), int(filled[-1]) + 1)
        ]

    def scores(self) -> Mapping[str, list[dict[str, float]]]:
        """Return twenty bins for each score: from, below, documents (of those looked at)."""
        found = {}
        for name, values in sorted(self.values.items()):
            counts, edges = np.histogram(values, SCORE_BINS)
            pairs = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
            found[name] = [{"from": low, "below": high, "documents": count} for low, high, count in pairs]
        return found
