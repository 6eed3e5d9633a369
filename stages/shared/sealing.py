"""Folders whose damage is noticed: every file synced to the disk, and their sha256 in a file that is written last."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from pipeline.store import file_sha256, sync_folder

SUMS = "sha256.json"


def seal(folder: Path) -> None:
    """Sync the files of a folder, and write their checksums beside them; a folder without these was never whole."""
    sums = {name: file_sha256(folder / name, sync=True) for name in _files(folder)}
    unsealed = folder / f"{SUMS}.unfinished"
    unsealed.write_text(json.dumps(sums), encoding="utf-8")
    file_sha256(unsealed, sync=True)
    unsealed.rename(folder / SUMS)
    for place in (folder, folder.parent):
        sync_folder(place)


def is_sealed(folder: Path) -> bool:
    """Tell whether a folder was whole once, without reading its files."""
    return (folder / SUMS).is_file()


def damage(folder: Path) -> str | None:
    """Return what is wrong with the files of a folder, None where they are as they were sealed."""
    try:
        sums: Mapping[str, str] = json.loads((folder / SUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{SUMS} is missing or cut off"
    if missing := sorted(set(sums) - set(_files(folder))):
        return f"{missing[0]} is missing"
    changed = (name for name in sums if file_sha256(folder / name) != sums[name])
    first = next(changed, None)
    return first and f"{first} has changed"


def newest_sound(found: Sequence[Path], fault: Callable[[Path], str | None] = damage) -> Path | None:
    """Return the newest checkpoint, of which the newest comes first, that has no fault; say which ones are torn."""
    for candidate, before in zip_longest(found, found[1:]):
        told = fault(candidate)
        if told is None:
            return candidate
        then = f"going back to {before.name}" if before else "there is none before it to go on from"
        print(f"checkpoint {candidate} is torn ({told}); {then}", file=sys.stderr)
    return None


def _files(folder: Path) -> list[str]:
    """Return the files below a folder that its checksums are of."""
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return [name for name in names if not name.startswith(SUMS)]
