"""Clusters of near duplicates over all shards; the first document of each stays."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.shared.artifact import write_json
from stages.shared.duplicates.minhash import NO_BAND, Signatures
from stages.shared.duplicates.occurrences import array_length, published, shard_file
from stages.shared.duplicates.partitions import AT_ONCE, Partitions, group_starts
from stages.shared.duplicates.settings import MinHashSettings
from stages.shared.duplicates.text_hashes import save_array
from stages.shared.duplicates.word_hashes import Numbers

PAIRS_AT_ONCE = 1 << 15
"""Pairs whose signatures are in memory together."""
LEADERS = 64
"""With so many documents, at most, the others of the same band are compared; only a text made to deceive needs more."""
LARGEST = 10
PLACE = ("cluster", "documents", "shard", "position")
Pairs = tuple[Numbers, Numbers]


class SignatureFiles(NamedTuple):
    """Where the signatures of a shard's documents are."""

    bands: Path
    rows: Path

    def save(self, signatures: Signatures) -> None:
        """Write both files."""
        save_array(self.bands, signatures.bands)
        save_array(self.rows, signatures.rows)


class UnionFind:
    """Sets of documents, each known by its first one; four bytes a document."""

    def __init__(self, documents: int) -> None:
        if documents > np.iinfo(np.uint32).max:
            raise ValueError(f"{documents:,} documents are more than 32-bit numbers can tell apart; take fewer shards")
        self.parents = np.arange(documents, dtype=np.uint32)

    def first(self, documents: np.ndarray) -> np.ndarray:
        """Return the first document of the set of each."""
        found: np.ndarray = self.parents[documents]
        while len(ahead := np.flatnonzero(self.parents[found] != found)):
            found[ahead] = self.parents[found[ahead]]
        self.parents[documents] = found
        return found

    def unite(self, left: np.ndarray, right: np.ndarray) -> None:
        """Join the sets of each pair."""
        while len(left):
            left, right = self.first(left), self.first(right)
            apart = left != right
            left, right = np.minimum(left, right)[apart], np.maximum(left, right)[apart]
            np.minimum.at(self.parents, right, left)  # of several the first wins, the others take another turn


class Similarity:
    """Compares documents by their stored signatures; only those of some pairs are in memory."""

    def __init__(self, files: Sequence[Path], offsets: Numbers, settings: MinHashSettings) -> None:
        self.files, self.offsets = files, offsets
        numbers = settings.bands * settings.rows
        self.numbers, self.least = numbers, int(np.ceil(settings.threshold * numbers - 1e-9))

    def __call__(self, left: Numbers, right: Numbers) -> np.ndarray:
        """Tell of each pair whether its estimated Jaccard similarity reaches the threshold."""
        found = [np.zeros(0, bool)]
        for begin in range(0, len(left), PAIRS_AT_ONCE):
            part = slice(begin, begin + PAIRS_AT_ONCE)
            documents, places = np.unique(np.concatenate([left[part], right[part]]), return_inverse=True)
            one, other = np.split(self._rows(documents)[places], 2)
            found.append((one == other).sum(axis=1) >= self.least)
        return np.concatenate(found)

    def _rows(self, documents: Numbers) -> np.ndarray:
        rows = np.empty((len(documents), self.numbers), np.uint16)
        borders = np.searchsorted(documents, self.offsets)
        for shard in np.flatnonzero(np.diff(borders)).tolist():
            part = slice(borders[shard], borders[shard + 1])
            # Mapped anew each time, so that what was read can leave the memory.
            rows[part] = np.load(self.files[shard], mmap_mode="r")[documents[part] - self.offsets[shard]]
        return rows


def near_duplicates(
    shards: Sequence[SignatureFiles], settings: MinHashSettings, out: Path, at_once: int = AT_ONCE
) -> dict[str, Any]:
    """Write for each shard which documents are near duplicates of an earlier one; return what clusters there are.

    The folder `out`, which must not be there and appears when all is written, gets `shard_file(number)` for each: int64
    (2, dropped), the positions ascending, and the number over all shards of the first document of the cluster, which
    names it. Two documents are compared if a band of them is the same, and belong together if they are similar or
    others between them are. Neither the number of shards nor `at_once` changes what is found. Memory: four bytes a
    document, `at_once` records, and one shard's signatures; disk for a while: 16 bytes a document.
    """
    offsets = np.concatenate([[0], np.cumsum([array_length(shard.bands) for shard in shards], dtype=np.int64)])
    union = UnionFind(int(offsets[-1]))
    similar = Similarity([shard.rows for shard in shards], offsets, settings)
    counts = {"compared": 0, "similar": 0, "left_uncompared": 0}
    with published(out) as folder:
        for band in range(settings.bands):
            partitions = Partitions(folder / "partitions", len(union.parents), at_once)
            for shard, files in enumerate(shards):
                hashes = np.array(np.load(files.bands, mmap_mode="r")[band])
                found = np.flatnonzero(hashes != NO_BAND)
                partitions.add(hashes[found], found + offsets[shard])
            for hashes, numbers in partitions.sorted():
                for pairs in similar_pairs(hashes, numbers, similar, counts):
                    union.unite(*pairs)
        for shard in range(len(shards)):
            numbers = np.arange(offsets[shard], offsets[shard + 1])
            first = union.first(numbers)
            dropped = np.flatnonzero(first != numbers)
            save_array(folder / shard_file(shard), np.stack([dropped, first[dropped].astype(np.int64)]))
        statistics = cluster_statistics(union.parents, offsets) | counts
        write_json(folder / "clusters.json", statistics)
    return statistics


def similar_pairs(
    hashes: np.ndarray, numbers: Numbers, similar: Callable[[Numbers, Numbers], np.ndarray], counts: dict[str, int]
) -> Iterator[Pairs]:
    """Yield the pairs of documents with the same hash that are similar; `hashes` are sorted, then `numbers`.

    The first document of each group is compared with the others; those that are not similar to it form a group of
    their own, and so on. So a thousand copies take 999 comparisons.
    """
    for _ in range(LEADERS):
        starts = group_starts(hashes)
        lengths = np.diff(starts, append=len(hashes))
        member = np.ones(len(hashes), bool)
        member[starts] = False
        left, right, hashes = np.repeat(numbers[starts], lengths - 1), numbers[member], hashes[member]
        if not len(right):
            return
        same = similar(left, right)
        counts["compared"] += len(same)
        counts["similar"] += int(same.sum())
        yield left[same], right[same]
        hashes, numbers = hashes[~same], right[~same]
    counts["left_uncompared"] += len(numbers)


def cluster_statistics(first: np.ndarray, offsets: Numbers) -> dict[str, Any]:
    """Return how many clusters of which size there are, and where the first documents of the largest are.

    `first` is the number of the first document of each one's cluster; sizes are counted by powers of two.
    """
    dropped = np.flatnonzero(first != np.arange(len(first), dtype=first.dtype))
    clusters, others = np.unique(first[dropped], return_counts=True)
    sizes = others + 1
    exponents, counts = np.unique(np.ceil(np.log2(sizes)).astype(int), return_counts=True)
    largest = np.lexsort([clusters, -sizes])[:LARGEST]
    shards = np.searchsorted(offsets, clusters[largest], side="right") - 1
    places = np.stack([clusters[largest], sizes[largest], shards, clusters[largest] - offsets[shards]], axis=1)
    return {
        "documents": len(first),
        "clusters": len(clusters),
        "dropped": len(dropped),
        "sizes": {_range(exponent): int(count) for exponent, count in zip(exponents, counts, strict=True)},
        "largest": [dict(zip(PLACE, place, strict=True)) for place in places.tolist()],
    }


def _range(exponent: int) -> str:
    return "2" if exponent == 1 else f"{2 ** (exponent - 1) + 1}-{2**exponent}"
