"""Wikitext as plain lines: gensim's filter, and around it what it does not know.

gensim leaves headings, quotes and lists as they are, knows files and categories by their English names only, and loses
the rest of a page behind a template that is never closed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

NESTED = re.compile(r"\{\{|\}\}|\{\||\|\}(?!\}(?!\}))")
"""Edges of templates and tables; the |} of `{{x|}}` is none of a table."""
OPENING = {"}}": "{{", "|}": "{|"}
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
EMPTY_TAG = re.compile(r"<(ref|references|gallery|section|nowiki|templatestyles)\b[^<>]*/>", re.IGNORECASE)
NO_TEXT = re.compile(
    r"<(/?)(ref|gallery|math|chem|timeline|score|source|syntaxhighlight|graph|imagemap|hiero|pre|mapframe)\b[^<>]*>",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"\[(?:\w+:)?//[^\s\[\]<>]+(?:[ \t]+([^\[\]\n]*))?\]")
OPEN_ADDRESS = re.compile(r"\[(?=\w+://)")
"""Takes gensim a time that grows with the cube of their number."""
TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
SMALLER = "\ue000"
"""Stands for what is no tag's <, of which gensim would make one."""
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
Span = tuple[int, int]
"""Beginning and end, in characters."""


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
    text = without_tags(EMPTY_TAG.sub("", COMMENT.sub("", wikitext)))
    text = without_links(without_nested(text), namespaces)
    text = OPEN_ADDRESS.sub(" ", ADDRESS.sub(lambda link: link[1] or "", text))
    text = TAG.sub("", BREAK.sub("\n", MAGIC.sub("", NESTED.sub(" ", text))))
    # Imports scipy.stats, which takes longer than most corpora of this reader are wanted for.
    from gensim.corpora.wikicorpus import remove_markup
    from gensim.utils import decode_htmlentities

    text = remove_markup(decode_htmlentities(text).replace("<", SMALLER)).replace(SMALLER, "<")
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


def without_tags(text: str) -> str:
    """Return wikitext without footnotes, formulas and what else is no text between two tags; open ones stay.

    >>> without_tags("a<ref>b</ref> c<math>d <ref>e")
    'a c<math>d <ref>e'
    """
    edges = ((tag, tag[2].lower(), not tag[1]) for tag in NO_TEXT.finditer(text))
    return _without_pairs(text, edges)


def without_nested(text: str) -> str:
    """Return wikitext without templates and tables, however they nest; what is never closed stays.

    >>> without_nested("a {{b|{{c}} {| d |} }} e {{ f"), without_nested("a }} {| b {{c}}")
    ('a  e {{ f', 'a }} {| b ')
    """
    edges = ((mark, OPENING.get(mark[0], mark[0]), mark[0] not in OPENING) for mark in NESTED.finditer(text))
    return _without_pairs(text, edges)


def without_links(text: str, namespaces: Namespaces) -> str:
    """Return wikitext without links to files, whose captions may hold links, and categories.

    >>> without_links("a [[Bestand:x.jpg|thumb|De [[Leie]] in Gent]] b [[c]]", Namespaces(("Bestand",)))
    'a  b [[c]]'
    """
    spans: list[Span] = []
    begins: list[int] = []
    for edge in LINK_EDGE.finditer(text):
        if edge[0] == "[[":
            begins.append(edge.start())
        elif begins and namespaces.link.match(text, begin := begins.pop()):
            _add(spans, (begin, edge.end()))
    return _without(text, spans)


def _without_pairs(text: str, edges: Iterable[tuple[re.Match[str], str, bool]]) -> str:
    """Take out what lies between two edges of a kind, given with their kind and whether they open."""
    open_at: dict[str, list[int]] = {}
    spans: list[Span] = []
    for edge, kind, opens in edges:
        if opens:
            open_at.setdefault(kind, []).append(edge.start())
        elif begins := open_at.get(kind):
            begin = begins.pop()
            _add(spans, (begin, edge.end()))
            # What was opened inside and not closed there was no opening.
            for others in open_at.values():
                while others and others[-1] > begin:
                    others.pop()
    return _without(text, spans)


def _add(spans: list[Span], span: Span) -> None:
    """Add a span in place of those that it holds."""
    while spans and spans[-1][0] > span[0]:
        spans.pop()
    spans.append(span)


def _without(text: str, spans: list[Span]) -> str:
    begins = [0, *(end for _, end in spans)]
    ends = [*(begin for begin, _ in spans), len(text)]
    return "".join(text[begin:end] for begin, end in zip(begins, ends, strict=True))


def _plain(line: str) -> str:
    line = " ".join(QUOTES.sub("", line).split())
    for hole, instead in HOLES:
        line = hole.sub(instead, line)
    return " ".join(line.split())
