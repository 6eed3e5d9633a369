"""Disk that a card's files and an ingest of them take, as far as the card and the lock tell before they are there."""

from collections.abc import Sequence
from pathlib import Path

from pipeline import store
from pipeline.card_lock import LockedFile, cached_path, hub_folder
from pipeline.card_sources import DebianSource, FileSource, HubSource, NpmSource, PypiSource
from pipeline.cards import ResolvedCard

TEXT_DISK = 1.3
"""Bytes of an artifact and of its shards, which go last, for one of text: 1.28 of them for 8 MB of Dutch with
corpus=web (2026-11-22)."""
UNPACKED = 4
"""Bytes of text for one of a packed file; as much for the same 8 MB with gzip."""
ARCHIVES = (".deb", ".whl", ".zip", ".xpi", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst")
"""Of which the unpacked content is kept beside them."""
PACKED = (*ARCHIVES, ".gz", ".bz2", ".xz", ".zst", ".parquet")
PACKAGES = (DebianSource, PypiSource, NpmSource)
"""Of which text is a small part."""


def ingested_bytes(card: ResolvedCard) -> int:
    """Return what an ingest takes for a card; 0 for packages and what no lock knows."""
    if isinstance(card.source, PACKAGES):
        return 0
    if isinstance(card.source, HubSource):
        return round(TEXT_DISK * _hub_text(card.source, card.files))
    return round(TEXT_DISK * sum(file.size * _growth(file.name) for file in card.files))


def is_unsized(card: ResolvedCard) -> bool:
    """Tell whether nothing is known of how much text a card has: it is no package, and no lock knows its files."""
    beginning = isinstance(card.source, HubSource) and card.source.first_bytes is not None
    return not (card.files or beginning or isinstance(card.source, PACKAGES))


def fetched_bytes(card: ResolvedCard, downloads: Path) -> int:
    """Return what is still to be fetched for a card, with what it unpacks to; 0 where no lock knows."""
    source = card.source
    if isinstance(source, FileSource):
        return 0
    if isinstance(source, HubSource):
        wanted = _hub_text(source, card.files) // _growth(source.files[0])
        return max(0, wanted - store.folder_size(hub_folder(downloads, source.repository, source.id)))
    return sum(_kept(file) for file in card.files if not cached_path(downloads, file).is_file())


def _hub_text(source: HubSource, files: Sequence[LockedFile]) -> int:
    """Return the unpacked bytes that are wanted; the lock has one entry for all files, of their size together."""
    whole = sum(file.size for file in files) * _growth(source.files[0])
    if source.first_bytes is None:
        return whole
    return min(source.first_bytes, whole) if files else source.first_bytes


def _kept(file: LockedFile) -> int:
    return file.size * (1 + UNPACKED * file.name.endswith(ARCHIVES))


def _growth(name: str) -> int:
    return UNPACKED if name.endswith(PACKED) else 1
