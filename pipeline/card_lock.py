"""Which version of each file a data card stands for: the lock, this machine's overlay over it, and local files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.card_sources import (
    DebianSource,
    FileSource,
    GutenbergSource,
    HubSource,
    NpmSource,
    OpusSource,
    PypiSource,
    Sha256,
    Source,
    UrlSource,
    WikimediaSource,
)
from pipeline.errors import UserError
from pipeline.lock import hold
from pipeline.provenance import ROOT
from pipeline.section import Section
from pipeline.store import file_sha256, replacing

Lock = dict[str, dict[str, Any]]


class LockEntry(Section):
    """What a lock file says under a file's key."""

    name: str
    version: str
    sha256: Sha256
    size: int
    """In bytes."""


class OverlayEntry(LockEntry):
    """What the lock file beside the artifacts says."""

    replaces: Sha256 | None = None
    """The pinned file instead of which it is used; none where nothing was pinned."""


class LockedFile(LockEntry):
    """One pinned file."""

    key: str
    """What it is a file of, for example `debian/mediawiki`."""


def load_lock(path: Path) -> Lock:
    """Return a lock file's entries; a file that is not there counts as empty. Raises UserError for a broken one."""
    if not path.exists():
        return {}
    try:
        entries = TypeAdapter(Lock).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, ValidationError):
        raise UserError(f"{path} is not a lock file; delete it, or run `make lock` to write it again") from None
    try:
        TypeAdapter(dict[str, OverlayEntry]).validate_python(entries)
    except ValidationError as error:
        faults = {f"'{problem['loc'][0]}' ({_fault(problem)})": None for problem in error.errors()}
        raise UserError(
            f"{path} has faulty entries: {', '.join(faults)}. Delete them, or run `make lock` to write them again"
        ) from None
    return entries


def pin(entries: Lock, known: Lock, path: Path) -> Lock:
    """Add entries to a lock file, of which `known` was there before they were looked for; return what is there now.

    What another run has pinned in the meantime stays: it is what that run uses.
    """
    with hold(path.with_name(f"{path.name}.held"), lambda owner: None):
        now = load_lock(path)
        lock = now | {key: entry for key, entry in entries.items() if now.get(key) == known.get(key)}
        with replacing(path) as draft:
            draft.write_text(json.dumps(lock, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return lock


def _fault(problem: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in problem["loc"][1:])
    return f"lacks {field}" if problem["type"] == "missing" else f"{field}: {problem['msg']}"


def overlaid(committed: Lock, overlay: Lock) -> Lock:
    """Return the committed lock with what mirrors forced a machine to use instead.

    An overlay's entry names by sha256 the pinned file that it `replaces` (None: nothing was pinned), and counts only as
    long as that is what is pinned: a newer committed lock wins over an older overlay.
    """
    lock = dict(committed)
    for key, entry in overlay.items():
        if entry.get("replaces") == committed.get(key, {}).get("sha256"):
            lock[key] = {field: value for field, value in entry.items() if field != "replaces"}
    return lock


def lock_keys(source: Source) -> tuple[str, ...]:
    """Return the keys that a source has in the lock; empty where the card itself pins it, or the file is ours."""
    match source:
        case DebianSource():
            return tuple(f"debian/{package}" for package in source.packages)
        case PypiSource():
            return (f"pypi/{source.package}=={source.version}",)
        case NpmSource():
            return (f"npm/{source.package}@{source.version}",)
        case OpusSource() | WikimediaSource() | GutenbergSource():
            return tuple(source.remote_files)
        case HubSource(revision="locked"):
            return (f"hub/{source.repository}/{source.id}",)
    return ()


class FilesMissing(UserError):
    """A card's files, which the user is to put on this machine, are not there."""


def locked_files(source: Source, lock: Mapping[str, dict[str, Any]]) -> tuple[LockedFile, ...]:
    """Return a source's pinned files, without those that the lock does not know."""
    if isinstance(source, UrlSource):
        name = source.url.rstrip("/").rpartition("/")[2]
        return (LockedFile(key=f"url/{name}", name=name, version="", sha256=source.sha256, size=source.size),)
    if isinstance(source, FileSource):
        return tuple(_hashed(path, name) for name, path in local_files(source))
    keys = sorted(set(lock_keys(source)))
    return tuple(LockedFile.model_validate({"key": key, **lock[key]}) for key in keys if key in lock)


def local_files(source: FileSource) -> list[tuple[str, Path]]:
    """Return name below the folder and path of each file of a local source, sorted; raise UserError where none is."""
    folder = ROOT / source.folder
    found = {path.relative_to(folder).as_posix(): path for pattern in source.files for path in folder.glob(pattern)}
    files = sorted((name, path) for name, path in found.items() if path.is_file())
    if not files:
        raise FilesMissing(
            f"no file matches {', '.join(source.files)} in {folder}; put the files there, as the data card says, or "
            "correct its `source`"
        )
    return files


def cached_path(downloads: Path, file: LockedFile) -> Path:
    """Return where the cache keeps a file: its place is its content's hash."""
    return downloads / "sha256" / file.sha256 / file.name


def hub_folder(downloads: Path, kind: str, name: str) -> Path:
    """Return where the cache keeps the commits of a repository on the hub, a `dataset` or `model`."""
    return downloads / "hub" / kind / name.replace("/", "--")


def _hashed(path: Path, name: str) -> LockedFile:
    return LockedFile(key=f"file/{name}", name=name, version="", sha256=file_sha256(path), size=path.stat().st_size)
