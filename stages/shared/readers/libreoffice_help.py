"""LibreOffice's help: one HTML page a file, the same paragraph ids in every language."""

import re
from collections.abc import Iterator
from pathlib import Path

from lxml import etree, html

from pipeline.section import Section
from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import broken
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import read_text

BLOCKS = re.compile(r"^(p|h[1-6])$")


class LibreofficeHelpOptions(Section):
    """Options of the reader `libreoffice_help`."""

    source: str
    """Folder of the source language's pages."""
    target: str


def read_libreoffice_help(task: ReadTask, options: LibreofficeHelpOptions) -> Iterator[Found]:
    """Yield a document for each page that both languages have; a page is a group."""

    def read(name: str, path: Path) -> Iterator[Found]:
        page = Path(name).relative_to(options.target)
        english = task.folder / options.source / page
        if english.is_file():
            source, target = paragraphs(english), paragraphs(path)
            segments = tuple(Segment(source[key], text) for key, text in target.items() if key in source)
            yield Document(page.as_posix(), page.as_posix(), segments)

    return task.documents(f"{options.target}/**/*.html", read, may_be_empty=True)


def paragraphs(path: Path) -> dict[str, str]:
    """Return the text of each paragraph and heading by id, without what is meant for another operating system."""
    text = read_text(path)
    try:
        page = html.fromstring(text.encode(), parser=html.HTMLParser(encoding="utf-8"))
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise broken(path, "page", f"not HTML ({error})") from None
    for other in page.xpath("//span[@class='MAC']"):
        other.drop_tree()
    found: dict[str, str] = {}
    for block in page.xpath("//*[@id]"):
        if isinstance(block.tag, str) and BLOCKS.match(block.tag):
            found.setdefault(block.get("id"), " ".join(block.text_content().split()))
    return found
