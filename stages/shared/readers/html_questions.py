"""Questions and answers on web pages: sections whose headings ask something."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lxml import etree, html

from pipeline.section import Section
from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import broken
from stages.shared.readers.html_pages import whole
from stages.shared.readers.html_text import XPath, block_lines, decode_html
from stages.shared.readers.markup import Element
from stages.shared.readers.task import Found, ReadTask

NUMBER = re.compile(r"^\s*[\dA-Z]+(?:\.\d+)*\.\s+")
ASKS = re.compile("[?\uff1f\u061f]")


class HtmlQuestionsOptions(Section):
    """Options of the reader `html_questions`."""

    files: str
    """Glob pattern of the pages with questions and answers."""
    section: XPath
    """The elements that hold a question and its answer; one inside another is no part of the outer one's answer."""
    heading: XPath
    """The heading, from a section; a number before it (`8.1.`) is left out."""
    key: XPath
    """What names a section in all translations, from the section, for example `string(.//a/@id)`."""
    worse_files: str | None
    """Pages with worse answers to the same questions, joined by `key`; null for none."""


class Question(NamedTuple):
    """A question and its answer, the answer's blocks as lines."""

    text: str
    answer: str


NOT_ASKED = "sections that ask nothing, or lack an answer"


def read_html_questions(task: ReadTask, options: HtmlQuestionsOptions) -> Iterator[Found]:
    """Yield a document for each question: a segment of question and answer, and one with the worse answer.

    Headings without a question mark are left out and counted, and questions without any answer or without a worse one
    where `worse_files` are given.
    """
    worse: dict[str, Question] = {}
    if options.worse_files:
        for _, path in task.files(options.worse_files):
            worse |= questions(path, options, task.handling.max_line_bytes)[0]

    def read(name: str, path: Path) -> Iterator[Found]:
        found, others = questions(path, options, task.handling.max_line_bytes)
        task.count(NOT_ASKED, others)
        for key, question in found.items():
            if options.worse_files is None:
                yield Document(f"{name}#{key}", key, (Segment(question.text, question.answer),))
            elif key in worse:
                answers = (question.answer, worse[key].answer)
                yield Document(f"{name}#{key}", key, tuple(Segment(question.text, answer) for answer in answers))
            else:
                task.count(NOT_ASKED)

    yield from task.documents(options.files, read, may_be_empty=True)


def questions(path: Path, options: HtmlQuestionsOptions, max_bytes: int) -> tuple[dict[str, Question], int]:
    """Return a page's questions by key, and how many sections are none; raise BrokenInput where it is no HTML."""
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    text = decode_html(whole(path, max_bytes), None, path, "page", "file")
    try:
        tree = html.document_fromstring(text.encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise broken(path, "page", f"not HTML ({error})") from None
    sections = tree.xpath(options.section)
    found: dict[str, Question] = {}
    for section in sections:
        headings = section.xpath(options.heading)[:1]
        asked = NUMBER.sub("", " ".join("".join(headings[0].itertext()).split())) if headings else ""
        inner = {*headings, *(other for other in sections if section in other.iterancestors())}
        answer = "\n".join(block_lines(section, inner, False))
        if ASKS.search(asked) and answer:
            found[_key(section, options)] = Question(asked, answer)
    return found, len(sections) - len(found)


def _key(section: Element, options: HtmlQuestionsOptions) -> str:
    return str(section.xpath(options.key))
