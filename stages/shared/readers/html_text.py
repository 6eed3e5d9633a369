"""The text of a web page: by the rules of a data card, or by what pages are commonly made of."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from lxml import etree, html
from pydantic import AfterValidator

from pipeline.section import Section
from stages.shared.readers.broken import Lost, broken
from stages.shared.readers.markup import Element, local_name, pieces
from stages.shared.readers.text_file import check_no_nul, decode

META_CHARSET = re.compile(rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
XML_CHARSET = re.compile(rb"^<\?xml[^>]{1,100}encoding=[\"']([\w.:-]{2,40})")
HEAD_BYTES = 4096
# What browsers take these names for, and what pages that use them are written in.
BROWSERS = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"}
BLOCKS = frozenset(
    """address article aside blockquote body br caption center dd details dialog div dl dt fieldset figcaption figure
    footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol option p pre section summary table tbody td
    tfoot th thead title tr ul""".split()  # noqa: SIM905
)
NO_TEXT = frozenset(
    """applet audio button canvas embed head iframe input map math noscript object script select style svg template
    textarea video""".split()  # noqa: SIM905
)
AROUND = frozenset(["aside", "dialog", "footer", "form", "header", "menu", "nav"])
AROUND_ROLES = frozenset(
    ["banner", "complementary", "contentinfo", "dialog", "form", "menu", "menubar", "navigation", "search"]
)
AROUND_NAMES = re.compile(
    r"(?:^|[\s_-])(?:nav(?:bar|igation|header|footer)?|menu|breadcrumbs?|side-?bar|footer|masthead|cookies?|consent|gdpr"
    r"|share|sharing|social|related|comments?|pagination|pager|skip-?link|advert(?:isement)?|promo|newsletter|toc)"
    r"(?:$|[\s_-])",
    re.IGNORECASE,
)
LINKED_SHARE = 0.6
"""A line is a list of links where links have more of its letters."""
LINK, BORDER = "\x01", "\x02"
MARKS = re.compile(f"[{LINK}{BORDER}]")
"""Beginning or end of a link; border of a block."""


def _xpath(expression: str) -> str:
    try:
        etree.XPath(expression)
    except etree.XPathError as error:
        raise ValueError(f"'{expression}' is not XPath ({error}); give one like //div[@id='main']") from None
    return expression


XPath = Annotated[str, AfterValidator(_xpath)]


class PageRules(Section):
    """Which part of a page is its text."""

    body: XPath | None
    """The elements that hold it, in XPath; null: the page's main part by common marks, lists of links left out."""
    drop: XPath | None
    """Elements inside it that are left out; null for none but scripts and forms."""
    title: XPath | None
    """What becomes the first line, `//h1` or `//title`; null where the text holds it."""


@dataclass(frozen=True)
class Page:
    """A page's text."""

    lines: tuple[str, ...]
    url: str
    """Its canonical address, where it gives one."""


def page_of(text: str, rules: PageRules, path: Path | str, place: str, lost: Lost) -> Page:
    """Return a page's lines; raise BrokenInput where it is nested so deeply that the parser gives up."""
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        tree = html.document_fromstring(text.encode(), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise broken(path, place, f"not HTML ({error})", lost) from None
    fatal = [entry for entry in parser.error_log if entry.type_name == "ERR_RESOURCE_LIMIT"]
    if fatal:
        raise broken(path, place, f"HTML that the parser gives up on ({fatal[0].message})", lost)
    titles = [" ".join(_string(found).split()) for found in tree.xpath(rules.title)[:1]] if rules.title else []
    lines = [line for line in (*titles, *_lines(tree, rules)) if line]
    if titles and lines[1:2] == titles:
        del lines[0]
    address = tree.xpath("string((//link[@rel='canonical']/@href | //meta[@property='og:url']/@content)[1])")
    return Page(tuple(lines), str(address).strip())


def _lines(tree: Element, rules: PageRules) -> Iterator[str]:
    dropped = set(tree.xpath(rules.drop)) if rules.drop else set()
    if rules.body:
        roots = [found for found in tree.xpath(rules.body) if isinstance(found, etree._Element)]
        inside = set(roots)
        outermost = [root for root in roots if not any(outer in inside for outer in root.iterancestors())]
        for root in outermost:
            yield from block_lines(root, dropped, False)
    else:
        root = _main(tree)
        yield from block_lines(root, dropped, True)


def _main(tree: Element) -> Element:
    """Return <main>, else the only <article>, else the body."""
    for expression in ("//main | //*[@role='main']", "//article"):
        found = tree.xpath(expression)
        if len(found) == 1:
            return found[0]
    bodies = tree.xpath("//body")
    return bodies[0] if bodies else tree


def block_lines(root: Element, dropped: set[Element], only_main: bool) -> Iterator[str]:
    """Yield the lines below an element: what stands between the borders of blocks, white space as one space."""

    def skip(element: Element) -> bool:
        name = local_name(element)
        return name in NO_TEXT or element in dropped or (only_main and _around(element, name))

    def mark(element: Element) -> str:
        name = local_name(element)
        return BORDER if name in BLOCKS else LINK if name == "a" else ""

    found = pieces(root, skip, mark)
    text = "".join(piece if piece in (LINK, BORDER) else MARKS.sub(" ", piece) for piece in found)
    in_link = False
    for part in text.split(BORDER):
        line = " ".join(part.replace(LINK, "").split())
        letters = [0, 0]
        for number, run in enumerate(part.split(LINK)):
            in_link = in_link if number == 0 else not in_link
            letters[in_link] += sum(map(str.isalnum, run))
        if line and (not only_main or letters[True] <= LINKED_SHARE * sum(letters)):
            yield line


def _around(element: Element, name: str) -> bool:
    if name in AROUND or element.get("role") in AROUND_ROLES or element.get("aria-hidden") == "true":
        return True
    if name in ("body", "main", "article"):
        return False
    named = f"{element.get('class') or ''} {element.get('id') or ''}"
    return len(named) > 1 and AROUND_NAMES.search(named) is not None


def _string(found: object) -> str:
    return "".join(pieces(found, lambda _: False)) if isinstance(found, etree._Element) else str(found)


def decode_html(data: bytes, declared: str | None, path: Path | str, place: str, lost: Lost) -> str:
    """Return a page's text, by its byte order mark, what the server declared, or what it says itself; else UTF-8.

    Raises BrokenInput where it is in none of these.
    """
    head = data[:HEAD_BYTES]
    said = XML_CHARSET.search(head) or META_CHARSET.search(head)
    name = (declared or (said[1].decode("ascii") if said else "utf-8")).strip().lower()
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        name = encoding if data.startswith(mark) else name
    if name in ("utf-8", "utf8"):
        return decode(data, path, place, lost=lost)
    try:
        text = data.decode(BROWSERS.get(name, name))
    except (UnicodeDecodeError, LookupError) as error:
        raise broken(path, place, f"not the text in {name} that it says it is ({error})", lost) from None
    check_no_nul(text, path, place, lost)
    return text
