"""Pinning files: version, sha256 and size of what the sources offer now."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.card_lock import Lock, LockedFile, load_lock, lock_keys, pin
from pipeline.card_sources import (
    GutenbergSource,
    HubSource,
    NpmSource,
    OpusSource,
    PypiSource,
    Source,
    WikimediaSource,
)
from pipeline.cards import ResolvedCard, missing_from_cache
from pipeline.errors import UserError
from stages.shared.sources.address import download
from stages.shared.sources.cache import describe, keep, workspace
from stages.shared.sources.debian import find_newest
from stages.shared.sources.hub import lock_hub
from stages.shared.sources.packages import download_npm, download_pypi


def lock_cards(cards: Iterable[ResolvedCard], downloads: Path, debian_mirror: str | None) -> Lock:
    """Return the lock of all files that the cards name, as the sources offer them now.

    Debian's packages are looked up in the signed index; the others are downloaded into the cache. Raises UserError
    where one cannot be had.
    """
    sources = {key: card.source for card in cards for key in lock_keys(card.source)}
    return lock_sources(sources, downloads, debian_mirror)


def lock_sources(sources: Mapping[str, Source], downloads: Path, debian_mirror: str | None) -> Lock:
    """Return the lock entries of the given keys."""
    debian = [key for key in sources if key.startswith("debian/")]
    lock = _lock_debian(debian, downloads, debian_mirror) if debian else {}
    rest = sorted(set(sources) - set(debian))
    for key in tqdm(rest, desc="pinning packages", unit="file", disable=not rest):
        lock[key] = entry(_lock_download(key, sources[key], downloads))
    return dict(sorted(lock.items()))


def refresh_lock(
    cards: Iterable[ResolvedCard], overlay: Path, downloads: Path, debian_mirror: str | None
) -> tuple[Lock, list[str]]:
    """Pin anew what is not in the cache and no longer offered, or never was pinned; return the overlay and what to say.

    The overlay is a lock file beside the artifacts; `overlaid` lays it over the committed one before planning. Nothing
    touches the network unless a file is missing.
    """
    cards = tuple(cards)
    known = load_lock(overlay)
    missing = set(missing_from_cache(cards, downloads))
    sources = {key: card.source for card in cards for key in lock_keys(card.source) if key in missing}
    pinned = {file.key: file for card in cards for file in card.files if file.key in missing}
    asked = {key: source for key, source in sources.items() if key not in pinned or key.startswith("debian/")}
    if not asked:
        return known, []
    fresh = lock_sources(asked, downloads, debian_mirror)
    moved = {key: new for key, new in fresh.items() if key not in pinned or entry(pinned[key]) != new}
    if not moved:
        return known, []
    replacing = {key: new | {"replaces": _replaced(pinned.get(key), known.get(key))} for key, new in moved.items()}
    lock = pin(replacing, known, overlay)
    return lock, [_line(key, pinned.get(key), lock[key], overlay) for key in sorted(moved)]


def _replaced(pinned: LockedFile | None, before: Mapping[str, Any] | None) -> str | None:
    """Return the sha256 of the committed file: what is pinned, or where that is the overlay's own, what it replaced."""
    if pinned and before and before["sha256"] == pinned.sha256:
        return before.get("replaces")
    return pinned.sha256 if pinned else None


def entry(file: LockedFile) -> dict[str, Any]:
    """Return what the lock says under a file's key."""
    return file.model_dump(exclude={"key"})


def _line(key: str, old: LockedFile | None, new: Mapping[str, Any], overlay: Path) -> str:
    if old is None:
        return f"{key} was not pinned; using {new['version']} (overlay lock {overlay})"
    package = key.removeprefix("debian/")
    return f"{package} {old.version} is gone from the mirror; using {new['version']} (overlay lock {overlay})"


def _lock_debian(keys: list[str], downloads: Path, mirror: str | None) -> Lock:
    packages = [key.removeprefix("debian/") for key in keys]
    with workspace(downloads) as work:
        offered = find_newest(packages, mirror, work)
    if absent := sorted(set(packages) - set(offered)):
        remedy = "correct the data card's source"
        if mirror is None:
            remedy = (
                "where this machine's apt is not Debian 12's, set machine.debian_mirror in conf/local.yaml to the "
                f"address of a Debian mirror and install debian-archive-keyring; else {remedy}"
            )
        raise UserError(f"the Debian mirror has no package {', '.join(absent)}; {remedy}")
    fields = ("name", "version", "sha256", "size")
    return {f"debian/{name}": {field: getattr(offered[name], field) for field in fields} for name in packages}


def _lock_download(key: str, source: Source, downloads: Path) -> LockedFile:
    if isinstance(source, HubSource):
        return lock_hub(source, key, downloads)
    with workspace(downloads) as work:
        match source:
            case PypiSource():
                arrived, version = download_pypi(source, work), source.version
            case NpmSource():
                arrived, version = download_npm(source, work), source.version
            case OpusSource() | WikimediaSource() | GutenbergSource():
                remote = source.remote_files[key]
                arrived, version = download(remote.url, work / remote.name), _version(source)
            case _:
                raise TypeError(f"a source of kind {source.kind} is not pinned by the lock")
        file = describe(arrived, key, version)
        keep(arrived, file, downloads)
    return file


def _version(source: OpusSource | WikimediaSource | GutenbergSource) -> str:
    """Return what a source says of its version; a book has none."""
    match source:
        case OpusSource():
            return source.version
        case WikimediaSource():
            return source.date
    return ""
