"""Benchmarks that no training text may hold: what their files say, and what was found of them."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from stages.shared.duplicates.benchmark_index import BenchmarkIndex
from stages.shared.duplicates.settings import BenchmarkFile, DecontaminationSettings
from stages.shared.readers.text_file import text_lines

MOST_LISTED = 1_000
HITS = "hits.json"
"""What one shard's training text held, a list of `hit`."""


def benchmark_index(settings: DecontaminationSettings) -> BenchmarkIndex:
    """Return the index of all benchmarks' entries.

    Raises UserError where a file has not the form that it was named with.
    """
    entries = {name: benchmark_entries(file) for name, file in sorted(settings.benchmarks.items())}
    return BenchmarkIndex.of_lines(entries, settings.least_words)


def benchmark_entries(file: BenchmarkFile) -> Iterator[str]:
    """Yield the texts of a benchmark: its lines, a column of them, or what stands under some keys of its JSON."""
    if file.keys:
        yield from _under_keys(file.path, frozenset(file.keys))
        return
    for number, line in text_lines(file.path):
        yield line if file.column is None else _cell(line, file.column, f"{file.path}, line {number}")


def _cell(line: str, column: int, place: str) -> str:
    cells = line.split("\t")
    if len(cells) < column:
        raise UserError(f"{place}: {len(cells)} columns between tabs, and column {column} is the benchmark's text")
    return cells[column - 1]


def _under_keys(path: Path, keys: frozenset[str]) -> Iterator[str]:
    """Yield the strings below some keys, at any depth, of a file of one JSON document or of several, a line each."""
    text = "".join(f"{line}\n" for _, line in text_lines(path))
    decoder, place = json.JSONDecoder(), 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        try:
            value, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {error.lineno}: not JSON ({error.msg}, column {error.colno})") from None
        yield from _strings(value, keys, wanted=False)


def _strings(value: Any, keys: frozenset[str], wanted: bool) -> Iterator[str]:
    if isinstance(value, str):
        if wanted:
            yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one, keys, wanted)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _strings(one, keys, wanted or name in keys)


def hit(benchmark: str, entry: int, name: str, line: str) -> dict[str, Any]:
    """Return what is told of a line of the document or pair `name` that has the benchmark's entry, counted from 0."""
    return {"benchmark": benchmark, "entry": entry + 1, "id": name, "line": line}


def saved_hits(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Yield what the shards' files hold."""
    for path in files:
        yield from json.loads(path.read_text(encoding="utf-8"))


def summary(hits: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return how many training lines went by benchmark, a list of the first ones, and how many more there are."""
    counts, listed = Counter[str](), list[dict[str, Any]]()
    for one in hits:
        counts[one["benchmark"]] += 1
        if len(listed) < MOST_LISTED:
            listed.append(one)
    return {"lines": dict(sorted(counts.items())), "listed": listed, "unlisted": counts.total() - len(listed)}
