from pathlib import Path

import pytest

from pipeline.card_sources import FileSource
from pipeline.cards import Reader, ResolvedCard
from stages.shared.readers.broken import stop
from stages.shared.readers.catalogue import read_card
from stages.shared.readers.task import Handling

MAX_LINE_BYTES = 100_000


@pytest.fixture
def read():
    """Read a folder of files as a card with the given reader; faults stop where no handler is given."""

    def read(
        folder, kind, handler=stop, columns=None, role="monolingual", notes=None, max_bytes=MAX_LINE_BYTES, **options
    ):
        card = ResolvedCard(
            name="card",
            role=role,
            licence="mit",
            languages=("en", "nl"),
            source=FileSource(kind="file", folder=str(folder), files=("*",)),
            reader=Reader(kind=kind, options=options),
            columns=columns or {},
            files=(),
        )
        tell = print if notes is None else notes.append
        return list(read_card(card, Path(folder), Handling(2000, max_bytes, handler, tell)))

    return read


@pytest.fixture
def lines():
    """Return the target lines of documents, a list each."""
    return lambda documents: [[segment.target for segment in document.segments] for document in documents]
