"""The documents of a data card, from wherever its files are."""

from collections.abc import Callable, Iterable

from tqdm import tqdm

from pipeline.cards import ResolvedCard
from pipeline.stage import Execution
from stages.shared.documents import Document
from stages.shared.readers.catalogue import read_card
from stages.shared.sources.fetch import fetch_source


def card_documents(
    card: ResolvedCard, execution: Execution, catalogue_bytes: int, tell: Callable[[str], None]
) -> Iterable[Document]:
    """Fetch a card's files where they are not there yet and return its documents, with a progress bar.

    Raises UserError where a file cannot be had or read, or the card holds no text.
    """
    folder = fetch_source(card.source, card.files, execution.downloads, execution.debian_mirror)
    return tqdm(read_card(card, folder, catalogue_bytes, tell), desc=card.name, unit=" documents")
