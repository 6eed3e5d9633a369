"""The readers by the name that data cards call them, and the one function that reads a card."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from pipeline.registry import Registry
from pipeline.section import Section
from stages.shared.documents import Document
from stages.shared.readers.broken import BrokenInput, with_faults
from stages.shared.readers.dictd import DictdOptions, read_dictd
from stages.shared.readers.gettext import GettextOptions, read_gettext
from stages.shared.readers.gettext_pair import GettextPairOptions, read_gettext_pair
from stages.shared.readers.gutenberg import GutenbergOptions, read_gutenberg
from stages.shared.readers.html_pages import HtmlOptions, read_html
from stages.shared.readers.html_questions import HtmlQuestionsOptions, read_html_questions
from stages.shared.readers.jsonl import JsonlOptions, read_jsonl
from stages.shared.readers.libreoffice_help import LibreofficeHelpOptions, read_libreoffice_help
from stages.shared.readers.mediawiki import MediawikiOptions, read_mediawiki
from stages.shared.readers.moses import MosesOptions, read_moses
from stages.shared.readers.mozilla import MozillaOptions, read_mozilla
from stages.shared.readers.opensubtitles import OpensubtitlesOptions, read_opensubtitles
from stages.shared.readers.parquet import ParquetOptions, read_parquet
from stages.shared.readers.task import Found, Handling, ReadTask
from stages.shared.readers.text import TextOptions, read_plain_text
from stages.shared.readers.tmx import TmxOptions, read_tmx
from stages.shared.readers.tsv import TsvOptions, read_tsv
from stages.shared.readers.udhr import UdhrOptions, read_udhr
from stages.shared.readers.warc import WarcOptions, read_warc
from stages.shared.readers.wikimedia import WikimediaOptions, read_wikimedia
from stages.shared.readers.xml_documents import XmlOptions, read_xml


class Reader(NamedTuple):
    """A way to read files, and what a data card may say about it."""

    options: type[Section]
    read: Callable[[ReadTask, Any], Iterator[Found]]
    parallel: bool | None = None
    """Whether it reads pairs; None: a table may hold either."""


READERS: Registry[Reader] = Registry(
    "reader",
    {
        "dictd": Reader(DictdOptions, read_dictd, True),
        "gettext": Reader(GettextOptions, read_gettext, True),
        "gettext_pair": Reader(GettextPairOptions, read_gettext_pair, True),
        "gutenberg": Reader(GutenbergOptions, read_gutenberg, False),
        "html": Reader(HtmlOptions, read_html, False),
        "html_questions": Reader(HtmlQuestionsOptions, read_html_questions, True),
        "jsonl": Reader(JsonlOptions, read_jsonl),
        "libreoffice_help": Reader(LibreofficeHelpOptions, read_libreoffice_help, True),
        "mediawiki": Reader(MediawikiOptions, read_mediawiki, True),
        "moses": Reader(MosesOptions, read_moses, True),
        "mozilla": Reader(MozillaOptions, read_mozilla, True),
        "opensubtitles": Reader(OpensubtitlesOptions, read_opensubtitles, False),
        "parquet": Reader(ParquetOptions, read_parquet),
        "text": Reader(TextOptions, read_plain_text, False),
        "tmx": Reader(TmxOptions, read_tmx, True),
        "tsv": Reader(TsvOptions, read_tsv, True),
        "udhr": Reader(UdhrOptions, read_udhr, True),
        "warc": Reader(WarcOptions, read_warc, False),
        "wikimedia": Reader(WikimediaOptions, read_wikimedia, False),
        "xml": Reader(XmlOptions, read_xml, False),
    },
)


READ_ROLES = ("parallel", "monolingual", "dictionary")


def read_card(
    card: ResolvedCard, folder: Path, handling: Handling, only: Collection[str] | None = None
) -> Iterator[Document]:
    """Yield the documents of a data card whose source lies in `folder`, in an order that depends on names only.

    Ids and groups begin with the card's name. `only` names some of `card_files`. Raises UserError for a faulty card,
    for broken files where `handling` says so, and after the last one where none of them holds any text.
    """
    task, options = prepare(card, folder, handling, only)
    some = False
    for found in with_faults(READERS[card.reader.kind].read(task, options)):
        if isinstance(found, BrokenInput):
            handling.broken(found)
            continue
        some = some or any(segment.target.strip() for segment in found.segments)
        yield found._replace(id=f"{card.name}:{found.id}", group=f"{card.name}:{found.group}")
    if not some and only is None:
        raise _without_text(task)


def card_files(card: ResolvedCard, folder: Path, handling: Handling) -> list[tuple[str, Path]] | None:
    """Return name and path of the files that can be read each for itself; None where the reader needs them together."""
    task, options = prepare(card, folder, handling)
    pattern = getattr(options, "files", None)
    return task.files(pattern) if pattern else None


def prepare(
    card: ResolvedCard, folder: Path, handling: Handling, only: Collection[str] | None = None
) -> tuple[ReadTask, Section]:
    """Return what the card's reader is told; raise UserError where the card and its reader do not fit."""
    if card.role not in READ_ROLES:
        raise UserError(f"data card {card.name} has the role '{card.role}'; what is read is {', '.join(READ_ROLES)}")
    parallel, options = card.role != "monolingual", check_reader(card)
    return ReadTask(folder, card.name, parallel, card.columns, card.languages, handling, only), options


def _without_text(task: ReadTask) -> UserError:
    more = f" and {len(task.names) - 3} more" if len(task.names) > 3 else ""
    wanted = f"pair of '{task.languages[0]}' and '{task.languages[1]}'" if task.parallel else "text"
    return UserError(
        f"data card {task.card}: no {wanted} in {', '.join(task.names[:3])}{more} of {task.folder}. If a file is empty "
        "or cut off, delete it and fetch it again; else correct the card's `reader`, or leave the card out of the "
        "language's `cards`"
    )


def check_reader(card: ResolvedCard) -> Section:
    """Return the options of a card's reader; raise UserError where they, or the card's role, are not for it."""
    reader, parallel = READERS[card.reader.kind], card.role != "monolingual"
    if card.role in READ_ROLES and reader.parallel not in (None, parallel):
        can = "pairs" if reader.parallel else "monolingual text"
        raise UserError(f"data card {card.name}: reader '{card.reader.kind}' reads {can}, but `role` is {card.role}")
    try:
        return reader.options.model_validate(card.reader.options)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        names = ", ".join(reader.options.model_fields)
        raise UserError(
            f"data card {card.name}: reader options: {problems}. '{card.reader.kind}' takes: {names}"
        ) from None
