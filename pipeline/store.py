"""Artifact folders: named by what made them, published by one rename, checked by sha256.

An artifact is finished when its folder carries its final name; that happens after its manifest was written. Standard
library only, so that a stage can run on a bare machine.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
SHORT = 12  # hex digits of a fingerprint in a folder's name: 48 bits, no collision among millions of artifacts


def canonical_json(value: Any) -> bytes:
    """Serialise for hashing: sorted keys, no spaces, and a TypeError for what JSON cannot hold exactly."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def fingerprint(recipe: Mapping[str, Any]) -> str:
    """Return the sha256 (64 hex digits) of a recipe."""
    return hashlib.sha256(canonical_json(recipe)).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON so that a reader sees the old file or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a finished artifact, or None where the folder is not finished."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None


def unfinished(folder: Path) -> Path:
    """Return the folder in which an artifact is made."""
    return folder.with_name(f"{folder.name}.unfinished")


def prepare(folder: Path, resumes: bool) -> Path:
    """Return an unfinished folder to write into: empty, or with what a killed run left where the stage resumes.

    What cannot be resumed is kept beside it as `.failed-N`, to be looked at.
    """
    target = unfinished(folder)
    if target.exists() and not resumes:
        target.rename(_next_failed(folder))
    target.mkdir(parents=True, exist_ok=True)
    return target


def _next_failed(folder: Path) -> Path:
    number = 1
    while (candidate := folder.with_name(f"{folder.name}.failed-{number}")).exists():
        number += 1
    return candidate


def publish(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Hash and sync every file of the unfinished folder, write the manifest, and give the folder its final name."""
    source = unfinished(folder)
    write_json(source / MANIFEST, {**manifest, "files": hash_files(source, sync=True)})
    _sync_folder(source)
    source.rename(folder)
    _sync_folder(folder.parent)


def hash_files(folder: Path, sync: bool = False) -> dict[str, dict[str, Any]]:
    """Return `{relative path: {"size": bytes, "sha256": hex}}` of all files but the manifest, sorted by path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": file_sha256(path, sync)}
        for path in files
    }


def file_sha256(path: Path, sync: bool = False) -> str:
    """Return the sha256 of a file; with `sync`, also force its content to the disk."""
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(folder: Path) -> list[str]:
    """Return what differs between a finished artifact's files and its manifest: one line a problem, none if sound."""
    manifest = read_manifest(folder)
    if manifest is None:
        return [f"{folder}: no manifest"]
    recorded, found = manifest["files"], hash_files(folder)
    problems = [f"{folder / name}: missing" for name in recorded if name not in found]
    problems += [f"{folder / name}: not in the manifest" for name in found if name not in recorded]
    problems += [
        f"{folder / name}: changed since it was made (size {found[name]['size']}, was {entry['size']})"
        for name, entry in recorded.items()
        if name in found and found[name] != entry
    ]
    return problems


def folder_size(folder: Path) -> int:
    """Return the bytes below a folder, each hard-linked file counted once."""
    sizes = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a running step's files come and go
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def replace_link(link: Path, target: str) -> None:
    """Point a symbolic link at `target` in one step, whether or not it was there."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def remove(folder: Path) -> None:
    """Delete an artifact; renamed first, so that a killed deletion never leaves a finished name half empty."""
    doomed = folder.with_name(f"{folder.name}.deleting")
    folder.rename(doomed)
    shutil.rmtree(doomed)


def finished_artifacts(artifacts: Path) -> Iterator[Path]:
    """Yield the folders of all finished artifacts below the artifact folder, sorted."""
    for manifest in sorted(artifacts.glob(f"*/*/{MANIFEST}")):
        if not manifest.parent.is_symlink() and "." not in manifest.parent.name:
            yield manifest.parent


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
