"""Benchmarks that no training text may hold."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stages.ingest_corpus.settings import DecontaminationSettings
from stages.shared.duplicates.benchmark_index import BenchmarkIndex
from stages.shared.readers.text_file import text_lines

MOST_LISTED = 1_000


def benchmark_index(settings: DecontaminationSettings) -> BenchmarkIndex:
    """Return the index of all benchmarks' lines."""
    lines = {name: _lines(file.path) for name, file in sorted(settings.benchmarks.items())}
    return BenchmarkIndex.of_lines(lines, settings.least_words)


def _lines(path: Path) -> Iterator[str]:
    return (line for _, line in text_lines(path))


def summary(hit_files: Iterable[Path]) -> dict[str, Any]:
    """Return how many training lines went by benchmark, a list of the first ones, and how many more there are."""
    counts, listed = Counter[str](), list[dict[str, Any]]()
    for path in hit_files:
        for hit in json.loads(path.read_text(encoding="utf-8")):
            counts[hit["benchmark"]] += 1
            if len(listed) < MOST_LISTED:
                listed.append(hit)
    return {"lines": dict(sorted(counts.items())), "listed": listed, "unlisted": counts.total() - len(listed)}
