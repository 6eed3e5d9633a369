"""Downloads, kept by their sha256: a file is in the cache whole or not at all."""

import errno
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.card_lock import LockedFile, cached_path
from pipeline.errors import UserError
from pipeline.provenance import process_space
from pipeline.store import file_sha256

WORKSPACE = re.compile(r"tmp-(?P<process>\d+)-\w+\.(?P<space>.+)")


def find(downloads: Path, file: LockedFile) -> Path | None:
    """Return the file in the cache, or None where it is not there or not whole.

    A damaged file (another size, or another content) is removed, so that it is fetched again.
    """
    path = cached_path(downloads, file)
    if not path.is_file():
        return None
    if path.stat().st_size == file.size and file_sha256(path) == file.sha256:
        return path
    path.unlink()
    return None


def keep(arrived: Path, file: LockedFile, downloads: Path) -> Path:
    """Move a download into the cache after checking it; raise UserError where it is not the pinned file."""
    size, found = arrived.stat().st_size, file_sha256(arrived)
    if size != file.size or found != file.sha256:
        cut = "cut short" if size < file.size else "not the pinned file"
        raise UserError(
            f"{file.name} ({file.key}) arrived {cut}: {size} bytes with sha256 {found}, not {file.size} bytes with "
            f"{file.sha256}. Run again; if it stays so, the source has changed: look at it, then run `make lock`"
        )
    path = cached_path(downloads, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrived.replace(path)
    return path


def describe(arrived: Path, key: str, version: str) -> LockedFile:
    """Return the lock entry of a file that has just arrived."""
    return LockedFile(
        key=key, name=arrived.name, version=version, sha256=file_sha256(arrived), size=arrived.stat().st_size
    )


@contextmanager
def workspace(downloads: Path) -> Iterator[Path]:
    """Give a temporary folder on the cache's disk, and say plainly when that disk is full.

    It is named by this process and where its number counts; those of processes that were killed there are removed.
    """
    with disk_errors(downloads):
        downloads.mkdir(parents=True, exist_ok=True)
        here = process_space() or socket.gethostname()
        for left in downloads.glob("tmp-*"):
            name = WORKSPACE.fullmatch(left.name)
            if name and name["space"] == here and not Path("/proc", name["process"]).exists():
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"tmp-{os.getpid()}-", suffix=f".{here}", dir=downloads))
    try:
        with disk_errors(downloads):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a UserError that names the folder and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise UserError(
            f"cannot write to {folder}: {error.strerror}. Make room (`make gc`), or set machine.downloads to a folder "
            "on another disk; nothing half-written is kept"
        ) from error


def failed(what: str, downloads: Path, said: str) -> UserError:
    """Return the error of a download command that failed, with its own last words."""
    words = [line.strip() for line in said.splitlines() if line.strip()]
    free = shutil.disk_usage(downloads).free if downloads.exists() else None
    if "No space left" in said or free == 0:
        return UserError(f"no space left in {downloads} for {what}; make room (`make gc`) or set machine.downloads")
    return UserError(
        f"could not download {what}: {words[-1] if words else 'no answer'}. Is the network within reach? `make fetch` "
        "downloads everything on a machine that has it"
    )
