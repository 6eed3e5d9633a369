"""The documents of a data card, from wherever its files are."""

from collections.abc import Callable, Iterable

from tqdm import tqdm

from pipeline.cards import ResolvedCard
from pipeline.stage import Execution
from stages.shared.documents import Document
from stages.shared.readers.broken import stop
from stages.shared.readers.catalogue import read_card
from stages.shared.readers.task import Handling
from stages.shared.sources.fetch import fetch_source

MAX_LINE_BYTES = 16_000_000


def card_documents(
    card: ResolvedCard, execution: Execution, catalogue_bytes: int, tell: Callable[[str], None]
) -> Iterable[Document]:
    """Fetch a card's files where they are not there yet and return its documents, with a progress bar.

    Raises UserError where a file cannot be had or read, or the card holds no text.
    """
    folder = fetch_source(card.source, card.files, execution.downloads, execution.debian_mirror)
    handling = Handling(catalogue_bytes, MAX_LINE_BYTES, stop, tell)
    return tqdm(read_card(card, folder, handling), desc=card.name, unit=" documents")
