"""Artifact folders: named by what made them, published by one rename, checked by sha256.

An artifact is finished when its folder carries its final name; that happens after its manifest was written. Standard
library only, so that a stage can run on a bare machine.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

MANIFEST = "manifest.json"
STEPS = "steps"
BEGUN = "begun"
"""Empty file in a step's folder from an attempt's start to its success."""
SHORT = 12  # hex digits of a fingerprint in a folder's name: 48 bits, no collision among millions of artifacts
NAME = re.compile(r"(?P<artifact>[a-z_]+-(?P<short>[0-9a-f]{12}))(\.(?P<attempt>unfinished|(failed|deleting)-\w+))?")


@dataclass(frozen=True)
class Found:
    """A folder of ours below the artifact folder."""

    folder: Path
    artifact: str
    """Its final name."""
    short: str
    """First digits of its fingerprint."""
    attempt: str
    """`unfinished`, `failed-N`, `deleting-X`, or empty for a final name."""

    @property
    def work(self) -> Path:
        """Folder of its step file, lock and logs."""
        return self.folder.parent / STEPS / self.artifact


def canonical_json(value: Any) -> bytes:
    """Serialise for hashing: sorted keys, no spaces, and a TypeError for what JSON cannot hold exactly."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def fingerprint(recipe: Mapping[str, Any]) -> str:
    """Return the sha256 (64 hex digits) of a recipe."""
    return hashlib.sha256(canonical_json(recipe)).hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Have what is written under another name beside it take a file's place in one step, if nothing goes wrong."""
    # No process number in it: two nodes may have the same one, and one disk.
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON so that a reader sees the old file or the new one, never half of it."""
    with replacing(path) as draft, draft.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a finished artifact, or None where the folder is not finished.

    Raises UserError for one that is damaged: it is written before the folder gets its name, so the disk was at fault.
    """
    path = folder / MANIFEST
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        raise UserError(f"{path} is damaged; remove {folder} and run again, which makes it anew") from None


def unfinished(folder: Path) -> Path:
    """Return the folder in which an artifact is made."""
    return folder.with_name(f"{folder.name}.unfinished")


def prepare(folder: Path, resumes: bool) -> Path:
    """Return an unfinished folder to write into: empty, or with what a killed run left where the stage resumes.

    What cannot be resumed is kept beside it as `.failed-N`, to be looked at; so is a folder that has the final name and
    no manifest, as a deletion by hand leaves it when it is interrupted.
    """
    target = unfinished(folder)
    if folder.exists():
        folder.rename(_next_failed(folder))
    if target.exists() and not resumes:
        target.rename(_next_failed(folder))
    target.mkdir(parents=True, exist_ok=True)
    return target


def _next_failed(folder: Path) -> Path:
    number = 1
    while (candidate := folder.with_name(f"{folder.name}.failed-{number}")).exists():
        number += 1
    return candidate


def publish(folder: Path, manifest: Mapping[str, Any], scratch: str | None = None) -> None:
    """Hash and sync every file of the unfinished folder, write the manifest, and give the folder its final name.

    `scratch` is a folder in it that is no part of the artifact. It goes when all else is on the disk: who is killed
    before, as hashing takes a while, still has it to go on from.
    """
    source = unfinished(folder)
    write_json(source / MANIFEST, {**manifest, "files": hash_files(source, sync=True, without=scratch)})
    sync_folder(source)
    done_with = [(source / scratch).rename(_doomed(folder))] if scratch and (source / scratch).is_dir() else []
    source.rename(folder)
    sync_folder(folder.parent)
    for doomed in done_with:
        shutil.rmtree(doomed, ignore_errors=True)


def hash_files(folder: Path, sync: bool = False, without: str | None = None) -> dict[str, dict[str, Any]]:
    """Return `{relative path: {"size": bytes, "sha256": hex}}` of all files, sorted by path.

    The manifest is none of them, nor is what lies in the folder `without`.
    """
    left_out = (MANIFEST, without)
    found = (path for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in left_out)
    files = sorted(path for path in found if path.is_file())
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
    """Return what differs between an artifact's files and its manifest: one line a problem, none if sound."""
    try:
        manifest = read_manifest(folder)
    except UserError as error:
        return [str(error)]
    if manifest is None:
        return [f"{folder}: no {MANIFEST}"]
    named = manifest["fingerprint"][:SHORT] == folder.name.rpartition("-")[2]
    if not named or fingerprint(manifest["recipe"]) != manifest["fingerprint"]:
        return [f"{folder / MANIFEST}: its recipe is not the one that the folder is named by"]
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
    with replacing(link) as draft:
        draft.symlink_to(target)


def remove(folder: Path) -> None:
    """Delete an artifact; renamed first, so that a killed deletion never leaves a finished name half empty."""
    doomed = folder
    if ".deleting-" not in folder.name:
        doomed = _doomed(folder)
        folder.rename(doomed)
    shutil.rmtree(doomed)


def _doomed(folder: Path) -> Path:
    """Return a new name for what is to be deleted of an artifact."""
    return folder.with_name(f"{folder.name.partition('.')[0]}.deleting-{uuid.uuid4().hex[:8]}")


def artifact_folders(artifacts: Path) -> Iterator[Found]:
    """Yield what is ours below the artifact folder, finished or not, sorted.

    Ours is what has a name of the form that we give and a step's folder beside it: the artifact folder may hold other
    people's things too.
    """
    for folder in sorted(artifacts.glob("*/*-*")):
        name = NAME.fullmatch(folder.name)
        if name and folder.is_dir() and not folder.is_symlink():
            found = Found(folder, name["artifact"], name["short"], name["attempt"] or "")
            if found.work.is_dir():
                yield found


def final_artifacts(artifacts: Path) -> Iterator[Path]:
    """Yield the folders with a final name; all of them are finished, unless somebody's hand or disk damaged one."""
    yield from (found.folder for found in artifact_folders(artifacts) if not found.attempt)


def sync_files(folder: Path) -> None:
    """Force the content of all files below a folder to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
