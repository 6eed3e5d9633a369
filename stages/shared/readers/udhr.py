"""The Universal Declaration of Human Rights, one HTML file a language."""

from collections.abc import Iterator
from pathlib import Path

from lxml import etree, html

from pipeline.section import Section
from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import broken
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import read_text


class UdhrOptions(Section):
    """Options of the reader `udhr`."""

    source: str
    """The source language's file."""
    target: str


def read_udhr(task: ReadTask, options: UdhrOptions) -> Iterator[Found]:
    """Yield a document for each article. Where its paragraphs differ in number, the article is one pair.

    The declaration is one group: its articles repeat each other's phrases.
    """
    (_, source), (name, target) = task.file(options.source), task.file(options.target)
    translated = articles(target)
    for number, first in articles(source).items():
        second = translated.get(number, [])
        if len(first) != len(second):
            first, second = [" ".join(first)], [" ".join(second)]
        yield Document(f"{name}#{number}", name, tuple(map(Segment, first, second)))


def articles(path: Path) -> dict[str, list[str]]:
    """Return the paragraphs of each article by its number, the preamble's by `preamble`."""
    try:
        page = html.fromstring(read_text(path).encode(), parser=html.HTMLParser(encoding="utf-8"))
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise broken(path, "page", f"not HTML ({error})") from None
    parts = {part.get("data-number", "preamble"): part for part in page.xpath("//body/header | //body/article")}
    if not parts:
        raise broken(path, "page", "no <header> and no <article> of the declaration")
    inside = {number: part.xpath(".//p | .//li[not(.//p)]") for number, part in parts.items()}
    return {number: [" ".join(p.text_content().split()) for p in part] for number, part in inside.items()}
