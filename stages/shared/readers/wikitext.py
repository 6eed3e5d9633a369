"""Wikitext as plain lines: gensim's filter, and around it what it does not know.

gensim leaves headings, quotes and lists as they are, knows files and categories by their English names only, and loses
the rest of a page behind a template that is never closed.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property

from gensim.corpora.wikicorpus import remove_markup
from gensim.utils import decode_htmlentities

NESTED = re.compile(r"\{\{|\}\}|\{\||\|\}")
OPENING = {"}}": "{{", "|}": "{|"}
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
EMPTY_TAG = re.compile(r"<(ref|references|gallery|section|nowiki|templatestyles)\b[^<>]*/>", re.IGNORECASE)
NO_TEXT = re.compile(
    r"<(ref|gallery|math|chem|timeline|score|source|syntaxhighlight|graph|imagemap|hiero|pre|mapframe)\b[^<>]*>"
    r".*?</\1\s*>",
    re.IGNORECASE | re.DOTALL,
)
BREAK = re.compile(r"<br\b[^<>]*>|</?(?:div|p|center|blockquote)\b[^<>]*>", re.IGNORECASE)
MAGIC = re.compile(r"__[^\W\d_a-z]{3,30}__")
HEADING = re.compile(r"^(={1,6})\s*(.+?)\s*\1\s*$")
LIST = re.compile(r"^[*#:;]+\s*")
QUOTES = re.compile(r"'{2,5}")
HOLES = (
    (re.compile(r"\(\s*(?:[,;:–-]\s*)*\)"), ""),
    (re.compile(r"\(\s*[,;:]\s*"), "("),
    (re.compile(r"\s+([,.;:)])"), r"\1"),
)
"""What templates leave behind: `( , of)`, `Greek , or`."""
LINK_EDGE = re.compile(r"\[\[|\]\]")


@dataclass(frozen=True)
class Namespaces:
    """The names that a wiki has for its files and categories, beside the English ones."""

    names: tuple[str, ...]
    english: tuple[str, ...] = field(default=("File", "Image", "Category"), init=False)

    @cached_property
    def link(self) -> re.Pattern[str]:
        """Matches the beginning of a link that shows a file or files the page under a category."""
        names = "|".join(re.escape(name) for name in (*self.names, *self.english))
        return re.compile(rf"\[\[\s*(?:{names})\s*:", re.IGNORECASE)


def lines_of(wikitext: str, namespaces: Namespaces) -> list[str]:
    """Return the lines of a page: paragraphs, list items, and headings that have text below them.

    >>> lines_of("'''Gent''' is een [[stad (plaats)|stad]].{{Noot|x}}\\n== Zie ook ==\\n[[Categorie:Gent]]",
    ...          Namespaces(("Categorie",)))
    ['Gent is een stad.']
    """
    text = without_nested(NO_TEXT.sub("", EMPTY_TAG.sub("", COMMENT.sub("", wikitext))))
    text = without_links(BREAK.sub("\n", MAGIC.sub("", text)), namespaces)
    text = remove_markup(decode_htmlentities(text))
    lines: list[str] = []
    waiting: list[tuple[int, str]] = []
    for raw in text.split("\n"):
        if heading := HEADING.match(raw):
            level = len(heading[1])
            waiting = [*((above, title) for above, title in waiting if above < level), (level, _plain(heading[2]))]
        elif (line := _plain(LIST.sub("", raw))) and any(map(str.isalnum, line)):
            lines += [title for _, title in waiting if title]
            lines.append(line)
            waiting = []
    return lines


def without_nested(text: str) -> str:
    """Return wikitext without templates and tables, however they nest; what is never closed stays.

    >>> without_nested("a {{b|{{c}} {| d |} }} e {{ f"), without_nested("a }} {| b {{c}}")
    ('a  e {{ f', 'a }} {| b ')
    """
    open_marks: list[tuple[str, int]] = []
    spans: list[tuple[int, int]] = []
    for mark in NESTED.finditer(text):
        if mark[0] in ("{{", "{|"):
            open_marks.append((mark[0], mark.start()))
            continue
        # An inner mark of the other kind that is still open was none: `{{x|}}` ends with |}, then }.
        matching = [number for number, (kind, _) in enumerate(open_marks) if kind == OPENING[mark[0]]]
        if matching:
            begin = open_marks[matching[-1]][1]
            del open_marks[matching[-1] :]
            while spans and spans[-1][0] > begin:
                spans.pop()
            spans.append((begin, mark.end()))
    return _without(text, spans)


def without_links(text: str, namespaces: Namespaces) -> str:
    """Return wikitext without links to files, whose captions may hold links, and categories.

    >>> without_links("a [[Bestand:x.jpg|thumb|De [[Leie]] in Gent]] b [[c]]", Namespaces(("Bestand",)))
    'a  b [[c]]'
    """
    spans: list[tuple[int, int]] = []
    for begin in namespaces.link.finditer(text):
        if spans and begin.start() < spans[-1][1]:
            continue
        depth = 0
        for edge in LINK_EDGE.finditer(text, begin.start()):
            depth += 1 if edge[0] == "[[" else -1
            if not depth:
                spans.append((begin.start(), edge.end()))
                break
    return _without(text, spans)


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    begins = [0, *(end for _, end in spans)]
    ends = [*(begin for begin, _ in spans), len(text)]
    return "".join(text[begin:end] for begin, end in zip(begins, ends, strict=True))


def _plain(line: str) -> str:
    line = " ".join(QUOTES.sub("", line).split())
    for hole, instead in HOLES:
        line = hole.sub(instead, line)
    return line.strip()
