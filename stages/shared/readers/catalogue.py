"""The readers by the name that data cards call them, and the one function that reads a card."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from pipeline.registry import Registry
from pipeline.section import Section
from stages.shared.documents import Document
from stages.shared.readers.dictd import DictdOptions, read_dictd
from stages.shared.readers.gettext import GettextOptions, read_gettext
from stages.shared.readers.gettext_pair import GettextPairOptions, read_gettext_pair
from stages.shared.readers.jsonl import JsonlOptions, read_jsonl
from stages.shared.readers.libreoffice_help import LibreofficeHelpOptions, read_libreoffice_help
from stages.shared.readers.mediawiki import MediawikiOptions, read_mediawiki
from stages.shared.readers.moses import MosesOptions, read_moses
from stages.shared.readers.mozilla import MozillaOptions, read_mozilla
from stages.shared.readers.parquet import ParquetOptions, read_parquet
from stages.shared.readers.task import ReadTask
from stages.shared.readers.text import TextOptions, read_plain_text
from stages.shared.readers.tsv import TsvOptions, read_tsv
from stages.shared.readers.udhr import UdhrOptions, read_udhr


class Reader(NamedTuple):
    """A way to read files, and what a data card may say about it."""

    options: type[Section]
    read: Callable[[ReadTask, Any], Iterator[Document]]
    parallel: bool | None = None
    """Whether it reads pairs; None: a table may hold either."""


READERS: Registry[Reader] = Registry(
    "reader",
    {
        "dictd": Reader(DictdOptions, read_dictd, True),
        "gettext": Reader(GettextOptions, read_gettext, True),
        "gettext_pair": Reader(GettextPairOptions, read_gettext_pair, True),
        "jsonl": Reader(JsonlOptions, read_jsonl),
        "libreoffice_help": Reader(LibreofficeHelpOptions, read_libreoffice_help, True),
        "mediawiki": Reader(MediawikiOptions, read_mediawiki, True),
        "moses": Reader(MosesOptions, read_moses, True),
        "mozilla": Reader(MozillaOptions, read_mozilla, True),
        "parquet": Reader(ParquetOptions, read_parquet),
        "text": Reader(TextOptions, read_plain_text, False),
        "tsv": Reader(TsvOptions, read_tsv, True),
        "udhr": Reader(UdhrOptions, read_udhr, True),
    },
)


READ_ROLES = ("parallel", "monolingual", "dictionary")


def read_card(
    card: ResolvedCard, folder: Path, catalogue_bytes: int, tell: Callable[[str], None]
) -> Iterator[Document]:
    """Yield the documents of a data card whose source lies in `folder`, in an order that depends on names only.

    Ids and groups begin with the card's name; `tell` is given a line on what was left out. Raises UserError for a
    faulty card, for broken files, and after the last one where none of them holds any text.
    """
    if card.role not in READ_ROLES:
        raise UserError(f"data card {card.name} has the role '{card.role}'; what is read is {', '.join(READ_ROLES)}")
    reader, parallel = READERS[card.reader.kind], card.role != "monolingual"
    if reader.parallel not in (None, parallel):
        can = "pairs" if reader.parallel else "monolingual text"
        raise UserError(f"data card {card.name}: reader '{card.reader.kind}' reads {can}, but `role` is {card.role}")
    task = ReadTask(
        folder,
        card.name,
        parallel,
        card.columns,
        card.languages,
        catalogue_bytes,
        lambda note: tell(f"data card {card.name}: {note}"),
    )
    some = False
    for document in reader.read(task, _options(card, reader.options)):
        some = some or any(segment.target.strip() for segment in document.segments)
        yield Document(f"{card.name}:{document.id}", f"{card.name}:{document.group}", document.segments)
    if not some:
        raise _without_text(task)


def _without_text(task: ReadTask) -> UserError:
    more = f" and {len(task.names) - 3} more" if len(task.names) > 3 else ""
    wanted = f"pair of '{task.languages[0]}' and '{task.languages[1]}'" if task.parallel else "text"
    return UserError(
        f"data card {task.card}: no {wanted} in {', '.join(task.names[:3])}{more} of {task.folder}. If a file is empty "
        "or cut off, delete it and fetch it again; else correct the card's `reader`, or leave the card out of the "
        "language's `cards`"
    )


def _options(card: ResolvedCard, options: type[Section]) -> Section:
    try:
        return options.model_validate(card.reader.options)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        names = ", ".join(options.model_fields)
        raise UserError(
            f"data card {card.name}: reader options: {problems}. '{card.reader.kind}' takes: {names}"
        ) from None
