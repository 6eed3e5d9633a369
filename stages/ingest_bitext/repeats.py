"""What was there before, over all shards of pairs: whole pairs, and sides with other other sides."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.ingest_bitext.pairs import SOURCES, TARGETS, WHOLE
from stages.ingest_bitext.settings import SideRepeats
from stages.shared.duplicates.occurrences import later_occurrences, shard_file
from stages.shared.duplicates.text_hashes import save_array

KINDS = {"duplicate": WHOLE, "source_repeated": SOURCES, "target_repeated": TARGETS}
"""The hashes by which each reason is found, in this order: each looks at the pairs that the ones before leave."""


class RepeatsTask(NamedTuple):
    """All shards of judged pairs, in order, and how many other sides a side may have."""

    shards: Sequence[Path]
    settings: SideRepeats


def find_repeats(task: RepeatsTask, out: Path) -> None:
    """Write for each shard and reason which of the pairs left go. Memory: see `later_occurrences`."""
    allowed = {
        "duplicate": 1,
        "source_repeated": task.settings.targets_per_source,
        "target_repeated": task.settings.sources_per_target,
    }
    for reason, name in KINDS.items():
        times = allowed[reason]
        if times is not None:
            later_occurrences(_left(task.shards, name, out, out / f"{reason}_hashes"), times, out / reason)


def repeated(out: Path, number: int, pairs: int) -> dict[str, np.ndarray]:
    """Return for each reason that was looked for which of a shard's pairs go: bool arrays."""
    stays, found = np.ones(pairs, bool), dict[str, np.ndarray]()
    for reason in KINDS:
        path = out / reason / shard_file(number)
        if path.exists():
            places = np.flatnonzero(stays)[np.load(path)]
            found[reason] = np.zeros(pairs, bool)
            found[reason][places] = True
            stays[places] = False
    return found


def left(out: Path, number: int, pairs: int) -> np.ndarray:
    """Return which of a shard's pairs were not there before: a bool array."""
    stays = np.ones(pairs, bool)
    for goes in repeated(out, number, pairs).values():
        stays &= ~goes
    return stays


def _left(shards: Sequence[Path], name: str, out: Path, folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    paths = []
    for number, shard in enumerate(shards):
        hashes = np.load(shard / name)
        paths.append(folder / shard_file(number))
        save_array(paths[-1], hashes[left(out, number, len(hashes))])
    return paths
