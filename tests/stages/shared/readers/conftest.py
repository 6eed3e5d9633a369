from pathlib import Path

import pytest

from pipeline.card_sources import FileSource
from pipeline.cards import Reader, ResolvedCard
from stages.shared.readers.broken import stop
from stages.shared.readers.catalogue import read_card
from stages.shared.readers.left_out import LeftOut
from stages.shared.readers.task import Handling

MAX_LINE_BYTES = 100_000


@pytest.fixture
def read():
    """Read a folder of files as a card with the given reader; faults stop where no handler is given.

    `notes` takes the lines that tell what was left out.
    """

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
        left_out = LeftOut()
        documents = list(read_card(card, Path(folder), Handling(2000, max_bytes, handler, left_out)))
        if notes is not None:
            notes += left_out.lines()
        return documents

    return read


@pytest.fixture
def lines():
    """Return the target lines of documents, a list each."""
    return lambda documents: [[segment.target for segment in document.segments] for document in documents]
