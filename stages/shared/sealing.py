"""Folders whose damage is noticed: every file synced to the disk, and their sha256 in a file that is written last."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

SUMS = "sha256.json"


def seal(folder: Path) -> None:
    """Sync the files of a folder, and write their checksums beside them; a folder without these was never whole."""
    sums = {name: synced_sha256(folder / name) for name in _files(folder)}
    unsealed = folder / f"{SUMS}.unfinished"
    unsealed.write_text(json.dumps(sums), encoding="utf-8")
    synced_sha256(unsealed)
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
    changed = (name for name in sums if synced_sha256(folder / name) != sums[name])
    first = next(changed, None)
    return first and f"{first} has changed"


def _files(folder: Path) -> list[str]:
    """Return the files below a folder that its checksums are of."""
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return [name for name in names if not name.startswith(SUMS)]


def synced_sha256(path: Path) -> str:
    """Have a file written to the disk and return its sha256, in hex."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Have a folder's names written to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
