"""Which lines of a benchmark are in the training text?"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.shared.duplicates.text_hashes import save_array
from stages.shared.duplicates.word_hashes import Hashes, Numbers
from stages.shared.overlap import KeySet, batches, line_keys

KEYS, ENTRIES, LENGTHS = "keys.npy", "entries.npy", "benchmarks.json"


class Hit(NamedTuple):
    """A line of training text that overlaps with a line of a benchmark; both count from 0."""

    line: int
    benchmark: str
    entry: int


class BenchmarkIndex:
    """The sentences and 13-grams of benchmarks' lines, and whose they are: 12 bytes each, and a filter of 8 to 16.

    Two lines overlap as for `SentenceIndex`, but sentences with fewer than `least_words` do not count: "Ja." and "1984"
    are answers in benchmarks, and no contamination where they are in a text.
    """

    def __init__(self, keys: Hashes, entries: np.ndarray, lengths: Mapping[str, int]) -> None:
        self.set, self.entries, self.lengths = KeySet(keys), entries, dict(lengths)
        self.offsets = np.cumsum([0, *self.lengths.values()])

    @classmethod
    def of_lines(cls, benchmarks: Mapping[str, Iterable[str]], least_words: int) -> "BenchmarkIndex":
        """Return the index of benchmarks' lines by name; the lines are read once and not kept."""
        keys, entries, lengths, number = [np.empty(0, np.uint64)], [np.empty(0, np.int64)], {}, 0
        for name, lines in benchmarks.items():
            begin = number
            for batch in batches(lines):
                found, places = unique_pairs(*line_keys(batch, least_words))
                keys.append(found)
                entries.append(places + number)
                number += len(batch)
            lengths[name] = number - begin
        found, places = unique_pairs(np.concatenate(keys), np.concatenate(entries))
        return cls(found, places.astype(np.uint32), lengths)

    @classmethod
    def load(cls, folder: Path) -> "BenchmarkIndex":
        """Return a saved index; several processes share its memory."""
        lengths = json.loads((folder / LENGTHS).read_text(encoding="utf-8"))
        return cls(np.load(folder / KEYS, mmap_mode="r"), np.load(folder / ENTRIES, mmap_mode="r"), lengths)

    def save(self, folder: Path) -> None:
        """Write the index into a folder, which is made."""
        folder.mkdir(parents=True)
        save_array(folder / KEYS, self.set.keys)
        save_array(folder / ENTRIES, self.entries)
        (folder / LENGTHS).write_text(json.dumps(self.lengths, ensure_ascii=False) + "\n", encoding="utf-8")

    def hits(self, lines: Sequence[str]) -> list[Hit]:
        """Return all pairs of a line and a benchmark's line that overlap, by line, then by entry."""
        if not len(self.set.keys):
            return []
        keys, numbers = line_keys(lines)
        found, places = self.set.find(keys)
        counts = np.searchsorted(self.set.keys, keys[found], side="right") - places
        entries = self.entries[_ranges(places, counts)]
        of_line, entries = unique_pairs(np.repeat(numbers[found], counts), entries.astype(np.int64))
        benchmarks = np.searchsorted(self.offsets, entries, side="right") - 1
        names = list(self.lengths)
        within = entries - self.offsets[benchmarks]
        rows = zip(of_line.tolist(), benchmarks.tolist(), within.tolist(), strict=True)
        return [Hit(line, names[benchmark], entry) for line, benchmark, entry in rows]


def unique_pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different pairs of two arrays, sorted by the first, then by the second."""
    order = np.lexsort([second, first])
    first, second = first[order], second[order]
    new = np.ones(len(first), bool)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return first[new], second[new]


def _ranges(starts: Numbers, counts: Numbers) -> Numbers:
    """Return starts[i], starts[i] + 1, ... for each i, counts[i] of them."""
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    ranges: Numbers = np.repeat(starts, counts) + within
    return ranges
