"""Hashes of all shards, sorted a part at a time: the rest is on disk."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages.shared.duplicates.word_hashes import Hashes, Numbers

AT_ONCE = 1 << 19
"""Records that are sorted at a time: some 60 bytes of memory each. It changes no result."""
RECORD = np.dtype([("hash", "<u8"), ("number", "<i8")])


class Partitions:
    """Records of a hash and a number, by the hashes' highest bits in files of a folder.

    A folder can take as many files as `records` need at `at_once` a file; records with one hash are in one file.
    """

    def __init__(self, folder: Path, records: int, at_once: int) -> None:
        self.folder = folder
        self.bits = max(0, (records - 1) // at_once).bit_length()
        folder.mkdir()

    def add(self, hashes: Hashes, numbers: Numbers) -> None:
        """Add records; numbers ascend, also from call to call."""
        records = np.empty(len(hashes), RECORD)
        places = self._partition(hashes)
        order = np.argsort(places, kind="stable")
        records["hash"], records["number"] = hashes[order], numbers[order]
        borders = np.searchsorted(places[order], np.arange((1 << self.bits) + 1))
        for place in range(1 << self.bits):
            part = records[borders[place] : borders[place + 1]]
            if len(part):
                with (self.folder / str(place)).open("ab") as file:
                    part.tofile(file)

    def _partition(self, hashes: Hashes) -> np.ndarray:
        if not self.bits:
            return np.zeros(len(hashes), np.uint16)  # a shift by all 64 bits is not defined
        return (hashes >> np.uint64(64 - self.bits)).astype(np.uint16)

    def sorted(self) -> Iterator[tuple[Hashes, Numbers]]:
        """Yield the records of one file after the other by hash, then number, and remove the file."""
        for place in range(1 << self.bits):
            path = self.folder / str(place)
            if path.exists():
                records = np.fromfile(path, RECORD)
                path.unlink()
                order = np.argsort(records["hash"], kind="stable")
                yield records["hash"][order], records["number"][order]
        self.folder.rmdir()


def group_starts(ordered: Hashes) -> Numbers:
    """Return where each run of equal numbers begins."""
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])


def ranks(ordered: Hashes) -> Numbers:
    """Return how many equal numbers stand before each of sorted ones."""
    starts = group_starts(ordered)
    return np.arange(len(ordered)) - np.repeat(starts, np.diff(starts, append=len(ordered)))
