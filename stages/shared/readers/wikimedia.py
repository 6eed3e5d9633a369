"""Dumps of Wikimedia's wikis: the articles as text."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from pipeline.section import Section
from stages.shared.documents import Document, Segment
from stages.shared.readers.markup import Element, local_name
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.wikitext import Namespaces, lines_of
from stages.shared.readers.xml_stream import elements

ARTICLES = "0"


class WikimediaOptions(Section):
    """Options of the reader `wikimedia`."""

    files: str
    """Glob pattern of the dumps, `*-pages-articles*.xml.bz2`; .gz, .zst and .xz are unpacked too."""


def read_wikimedia(task: ReadTask, options: WikimediaOptions) -> Iterator[Found]:
    """Yield a document, and group, for each article; redirects and other namespaces are left out and counted."""

    def read(name: str, path: Path) -> Iterator[Found]:
        base, namespaces = "", Namespaces(())
        for element in elements(path, ("siteinfo", "page"), task.handling.max_line_bytes):
            if local_name(element) == "siteinfo":
                base, namespaces = _text(element, "base").rpartition("/")[0], _namespaces(element)
            elif _text(element, "ns") != ARTICLES:
                task.count("pages of other namespaces than the articles'")
            elif element.find("{*}redirect") is not None:
                task.count("redirects")
            else:
                title, number = _text(element, "title"), _text(element, "id")
                lines = lines_of(_text(element, "revision/{*}text"), namespaces)
                segments = tuple(Segment("", line) for line in (title, *lines) if lines)
                url = f"{base}/{quote(title.replace(' ', '_'))}" if base else ""
                yield Document(f"{name}#{number}", f"{name}#{number}", segments, url)

    return task.documents(options.files, read)


def _namespaces(siteinfo: Element) -> Namespaces:
    found = siteinfo.iterfind("{*}namespaces/{*}namespace")
    return Namespaces(tuple(str(one.text) for one in found if one.get("key") in ("6", "14") and one.text))


def _text(element: Element, path: str) -> str:
    return (element.findtext(f"{{*}}{path}") or "").strip()
