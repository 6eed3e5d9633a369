"""Folders whose damage is noticed: every file synced to the disk, and their sha256 in a file that is written last."""

import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
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


def damage(folder: Path, named: Collection[str] = ()) -> str | None:
    """Return what is wrong with the files of a folder, None where they are as they were sealed, `named` among them."""
    try:
        sums: Mapping[str, str] = json.loads((folder / SUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{SUMS} is missing or cut off"
    if unnamed := sorted(set(named) - set(sums)):
        return f"{SUMS} does not name {unnamed[0]}"
    for name, expected in sums.items():
        try:
            if file_sha256(folder / name) != expected:
                return f"{name} has changed"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
    return None


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
