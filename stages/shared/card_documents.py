"""The documents of a data card, from wherever its files are."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from pipeline.card_sources import HubSource
from pipeline.cards import ResolvedCard
from pipeline.stage import Execution
from stages.shared.documents import Document
from stages.shared.readers.broken import Skipped, handler, stop
from stages.shared.readers.catalogue import card_files, read_card
from stages.shared.readers.left_out import LeftOut
from stages.shared.readers.task import Handling
from stages.shared.sources.fetch import fetch_source
from stages.shared.text_settings import ReadingSettings

MAX_LINE_BYTES = 16_000_000


def card_documents(
    card: ResolvedCard, execution: Execution, catalogue_bytes: int, left_out: LeftOut
) -> Iterable[Document]:
    """Fetch a card's files where they are not there yet and return its documents, with a progress bar.

    Raises UserError where a file cannot be had or read, or the card holds no text.
    """
    folder = fetch_source(card.source, card.files, execution.downloads, execution.debian_mirror)
    how = Handling(catalogue_bytes, MAX_LINE_BYTES, stop, left_out)
    return tqdm(read_card(card, folder, how), desc=card.name, unit=" documents")


def part_notes(cards: Iterable[ResolvedCard]) -> list[str]:
    """Return a line for each card of whose files only the beginnings are read."""
    return [
        f"data card {card.name}: of its files only the first {card.source.first_bytes:,} bytes or a little more, "
        "unpacked, were fetched (hub.first_bytes)"
        for card in cards
        if isinstance(card.source, HubSource) and card.source.first_bytes is not None
    ]


def portions(card: ResolvedCard, folder: Path, settings: ReadingSettings) -> list[tuple[str, ...] | None]:
    """Return names of a card's files, about `shard_bytes` together, that one process reads; None for all at once."""
    files = card_files(card, folder, handling(settings, Skipped(), LeftOut()))
    if files is None or len(files) < 2:
        return [None]
    return list(_portions(files, settings.shard_bytes))


def _portions(files: Sequence[tuple[str, Path]], most_bytes: int) -> Iterator[tuple[str, ...]]:
    names, size = list[str](), 0
    for name, path in files:
        if names and size + path.stat().st_size > most_bytes:
            yield tuple(names)
            names, size = [], 0
        names.append(name)
        size += path.stat().st_size
    yield tuple(names)


def handling(settings: ReadingSettings, skipped: Skipped, left_out: LeftOut) -> Handling:
    """Return what a card's reader is told by the settings; `skipped` and `left_out` take what it does not read."""
    return Handling(settings.catalogue_bytes, settings.max_line_bytes, handler(settings.broken, skipped), left_out)
