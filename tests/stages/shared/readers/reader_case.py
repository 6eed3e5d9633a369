"""A card's documents as its reader finds them."""

import zipfile
from pathlib import Path

from pipeline.card_sources import FileSource
from pipeline.cards import Reader, ResolvedCard
from stages.shared.documents import Document
from stages.shared.readers.broken import stop
from stages.shared.readers.catalogue import read_card
from stages.shared.readers.left_out import LeftOut
from stages.shared.readers.task import Handling

HEADER = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n\n'
SAMPLES = Path(__file__).parents[3] / "data" / "readers"


def read(content, kind, columns=None, role="parallel", languages=("en", "nl"), notes=None, **options) -> list[Document]:
    card = ResolvedCard(
        name="card",
        role=role,
        licence="mit",
        languages=languages,
        source=FileSource(kind="file", folder=str(content), files=("*",)),
        reader=Reader(kind=kind, options=options),
        columns=columns or {},
        files=(),
    )
    left_out = LeftOut()
    documents = list(read_card(card, Path(content), Handling(2000, 1_000_000, stop, left_out)))
    if notes is not None:
        notes += left_out.lines()
    return documents


def segments(documents):
    return [segment for document in documents for segment in document.segments]


def language_pack(path: Path, locale: str) -> Path:
    with zipfile.ZipFile(path, "w") as pack:
        for file in sorted((SAMPLES / "mozilla" / locale).rglob("*.*")):
            pack.write(file, file.relative_to(SAMPLES / "mozilla" / locale).as_posix())
        pack.writestr(f"chrome/{locale}/old.dtd", f'<!ENTITY title.label "Title {locale}">\n')
    return path
