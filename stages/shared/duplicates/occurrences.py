"""Which lines or documents were there before, over all shards."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from stages.shared.duplicates.partitions import AT_ONCE, RECORD, Partitions, ranks
from stages.shared.duplicates.text_hashes import save_array
from stages.shared.duplicates.word_hashes import Numbers


def later_occurrences(files: Sequence[Path], allowed: int, out: Path, at_once: int = AT_ONCE) -> list[int]:
    """Write for each shard which of its texts come after the first `allowed` of their kind; return how many.

    `files` hold the shards' hashes in order (uint64 .npy); the folder `out`, which must not be there and appears when
    all is written, gets an int64 .npy for each, `shard_file(number)`, of ascending positions. Memory is that of the
    largest shard's hashes or of `at_once` records; disk 16 bytes a text. A text that is in very many shards is at most
    `allowed` records of each.
    """
    if allowed < 0:
        raise ValueError(f"{allowed} occurrences allowed; give 0, which drops all, or more")
    offsets = np.concatenate([[0], np.cumsum([array_length(path) for path in files], dtype=np.int64)])
    with published(out) as folder:
        partitions = Partitions(folder / "partitions", int(offsets[-1]), at_once)
        for shard, path in enumerate(files):
            hashes = np.load(path)
            order = np.argsort(hashes, kind="stable")
            late = ranks(hashes[order]) >= allowed  # in its own shard, whatever the others hold
            _append(folder, shard, order[late])
            early = np.sort(order[~late])
            partitions.add(hashes[early], early + offsets[shard])
        for hashes, numbers in partitions.sorted():
            late_numbers = np.sort(numbers[ranks(hashes) >= allowed])
            borders = np.searchsorted(late_numbers, offsets)
            for shard in np.flatnonzero(np.diff(borders)).tolist():
                _append(folder, shard, late_numbers[borders[shard] : borders[shard + 1]] - offsets[shard])
        return [_finish(folder, shard) for shard in range(len(files))]


def shard_file(shard: int) -> str:
    """Return the name of a shard's file."""
    return f"{shard:05d}.npy"


def array_length(path: Path) -> int:
    """Return the length of an .npy file's last axis; its content is not read."""
    return int(np.load(path, mmap_mode="r").shape[-1])


@contextmanager
def published(out: Path) -> Iterator[Path]:
    """Give a folder to write into, which becomes `out` if all goes well; what a killed run left is removed."""
    if out.exists():
        raise FileExistsError(f"{out} is there already; remove it, or give another folder")
    unfinished = out.with_name(f"{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    yield unfinished
    unfinished.rename(out)


def _append(folder: Path, shard: int, positions: Numbers) -> None:
    if len(positions):
        with (folder / f"{shard}.part").open("ab") as file:
            positions.astype(RECORD["number"]).tofile(file)


def _finish(folder: Path, shard: int) -> int:
    part = folder / f"{shard}.part"
    positions = np.sort(np.fromfile(part, RECORD["number"])) if part.exists() else np.empty(0, np.int64)
    save_array(folder / shard_file(shard), positions)
    part.unlink(missing_ok=True)
    return len(positions)
