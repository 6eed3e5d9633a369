"""From a data card's source to a folder on this machine."""

import hashlib
import sys
from pathlib import Path

from tqdm import tqdm

from pipeline.card_lock import LockedFile, local_files, lock_keys
from pipeline.card_sources import (
    DebianSource,
    FileSource,
    GutenbergSource,
    HubSource,
    NpmSource,
    OpusSource,
    PypiSource,
    Source,
    UrlSource,
    WikimediaSource,
)
from pipeline.errors import UserError
from pipeline.provenance import ROOT
from pipeline.store import sync_files
from stages.shared.sources.address import download
from stages.shared.sources.cache import find, keep, workspace
from stages.shared.sources.debian import download_packages
from stages.shared.sources.hub import fetch_hub
from stages.shared.sources.hub_beginning import fetch_beginning
from stages.shared.sources.packages import download_npm, download_pypi
from stages.shared.sources.unpack import unpack


def fetch_source(source: Source, files: tuple[LockedFile, ...], downloads: Path, debian_mirror: str | None) -> Path:
    """Return a folder with a source's files, archives unpacked; downloads only what the cache does not hold whole.

    Raises UserError where a file cannot be had, is not the pinned one, or the disk is full.
    """
    if isinstance(source, FileSource):
        local_files(source)
        return ROOT / source.folder
    unpinned = sorted(set(lock_keys(source)) - {file.key for file in files})
    if unpinned:
        raise UserError(f"{', '.join(unpinned)} is not in data_cards/lock.json; run `make lock` to pin it")
    if isinstance(source, HubSource):
        fetch = fetch_hub if source.first_bytes is None else fetch_beginning
        return fetch(source, files[0].version if files else source.revision, downloads)
    return unpacked(fetch_files(source, files, downloads, debian_mirror), files, downloads)


def fetch_files(
    source: Source, files: tuple[LockedFile, ...], downloads: Path, debian_mirror: str | None
) -> list[Path]:
    """Return a source's locked files in the cache, after downloading those that are not there whole."""
    missing = tuple(file for file in files if find(downloads, file) is None)
    if missing:
        with workspace(downloads) as work:
            shown = ", ".join(file.key for file in missing)
            print(f"downloading {shown} ({sum(file.size for file in missing) / 1e6:.1f} MB)", file=sys.stderr)
            arrived = arrive(source, missing, work, debian_mirror)
            for file in missing:
                keep(arrived[file.key], file, downloads)
    paths = [find(downloads, file) for file in files]
    return [path for path in paths if path is not None]


def arrive(source: Source, files: tuple[LockedFile, ...], work: Path, debian_mirror: str | None) -> dict[str, Path]:
    """Download files into a temporary folder; return them by key."""
    match source:
        case DebianSource():
            return download_packages(files, debian_mirror, work)
        case PypiSource():
            return {files[0].key: download_pypi(source, work)}
        case NpmSource():
            return {files[0].key: download_npm(source, work)}
        case UrlSource():
            return {files[0].key: download(source.url, work / files[0].name)}
        case OpusSource() | WikimediaSource() | GutenbergSource():
            return {file.key: download(source.remote_files[file.key].url, work / file.name) for file in files}
    raise TypeError(f"a source of kind {source.kind} has no files of its own")


def unpacked(paths: list[Path], files: tuple[LockedFile, ...], downloads: Path) -> Path:
    """Return one folder that holds the content of all the archives, named by their hashes and made once.

    The folder appears whole, by a rename, and is not looked at again; of two processes that unpack the same, the
    second's copy is dropped.
    """
    together = hashlib.sha256("".join(sorted(file.sha256 for file in files)).encode()).hexdigest()
    folder = downloads / "unpacked" / together
    if folder.is_dir():
        return folder
    with workspace(downloads) as work:
        for path in tqdm(paths, desc="unpacking", unit="archive", leave=False):
            unpack(path, work / "content")
        sync_files(work / "content")
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            (work / "content").rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder
