"""Books of Project Gutenberg without its header and licence."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import PositiveInt

from pipeline.section import Section
from stages.shared.documents import Document, Segment, cut
from stages.shared.readers.broken import BrokenInput, broken
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import check_no_nul, decode

START = re.compile(
    r"^.{0,3}\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG.*?\*\*\*[^\n]*\n"
    r"|^.{0,3}\*END\*? ?THE SMALL PRINT!.*?\n"
    r"|^[^\n]*\bSTART\*\*THE SMALL PRINT!.*?\*END\*[^\n]*\n",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
END = re.compile(r"^.{0,3}\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG", re.IGNORECASE | re.MULTILINE)
OLD_END = re.compile(
    r"^\W{0,5}(?:end|ende|einde|fin|fine|fim|slut|loppu)\b[^\n]{0,40}\bproject\s+gutenberg",
    re.IGNORECASE | re.MULTILINE,
)
LEFT_OF_THE_END = 500
"""Characters before the end mark in which the older one may stand as well."""
CHARSET = re.compile(rb"^Character set encoding:\s*([\w-]+)", re.IGNORECASE | re.MULTILINE)
PRODUCED = re.compile(
    r"\A\s*(?:(?:e-?text |this e-?text was )?(?:produced|prepared|scanned|transcribed|digitized) by|"
    r"\[?transcriber's note|dit (?:e-?boek|bestand) is gemaakt)[^\n]*(?:\n[^\n]+)*\n\s*\n",
    re.IGNORECASE,
)
HEADER_CHARACTERS = 5000
NUMBER = re.compile(r"^(?:pg)?(\d+)")
ITALIC = re.compile(r"(?<!\w)_([^_]{1,500})_(?!\w)")
ILLUSTRATION = re.compile(r"^\[(illustration|illustratie|afbeelding|abbildung)\b.*\]$", re.IGNORECASE | re.DOTALL)
FULL_LINE = 50
"""Characters from which on the lines of a paragraph are broken by a typist and not by a poet."""


class GutenbergOptions(Section):
    """Options of the reader `gutenberg`."""

    files: str
    """Glob pattern of the books, whose names begin with their number; each is a group."""
    document_bytes: PositiveInt
    """A book is cut between paragraphs into documents of about this size."""


def read_gutenberg(task: ReadTask, options: GutenbergOptions) -> Iterator[Found]:
    """Yield each book in documents of some paragraphs; hard line breaks are taken out of prose."""

    def read(name: str, path: Path) -> Iterator[Found]:
        size = path.stat().st_size
        if size > task.handling.max_line_bytes:
            raise broken(path, "file", f"{size:,} bytes, more than {task.handling.max_line_bytes:,}")
        text = decoded(path)
        try:
            body = book(text)
        except ValueError as error:
            raise broken(path, "file", str(error)) from None
        number = NUMBER.match(path.name)
        url = f"https://www.gutenberg.org/ebooks/{number[1]}" if number else ""
        segments = tuple(Segment("", line) for line in paragraphs(body))
        yield from cut(Document(name, name, segments, url), options.document_bytes)

    return task.documents(options.files, read)


def decoded(path: Path) -> str:
    """Return a book's text, in UTF-8 or what its header names; raise BrokenInput where it is neither."""
    data = path.read_bytes()
    charset = CHARSET.search(data[:HEADER_CHARACTERS])
    name = charset[1].decode("ascii").lower() if charset else "utf-8"
    try:
        # First, since some were converted and their header was not; other encodings' letters are no UTF-8.
        text = decode(data, path, "file")
    except BrokenInput:
        if name in ("utf-8", "ascii", "us-ascii"):
            raise
        try:
            text = data.decode("cp1252" if name in ("iso-8859-1", "iso-latin-1") else name)
        except (UnicodeDecodeError, LookupError) as error:
            raise broken(path, "file", f"not the text in {name} that its header says it is ({error})") from None
        check_no_nul(text, path, "file", "file")
    return text.replace("\r\n", "\n")


def book(text: str) -> str:
    """Return what stands between header and licence, and of a text without a header all.

    Raises ValueError where a header has no mark of its end, or the text after it no mark of its own.

    >>> book("The Project Gutenberg EBook\\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\\n\\nEen boek.\\n"
    ...      "End of Project Gutenberg's X\\n\\n*** END OF THIS PROJECT GUTENBERG EBOOK X ***\\nLicence\\n")
    'Een boek.'
    """
    start = START.search(text)
    if start is None and "project gutenberg" in text[:HEADER_CHARACTERS].lower():
        raise ValueError("it speaks of Project Gutenberg without a mark of where the book begins")
    text = text[start.end() :] if start else text
    if end := END.search(text):
        text = text[: end.start()]
        tail = OLD_END.search(text, max(0, len(text) - LEFT_OF_THE_END))
        text = text[: tail.start()] if tail else text
    elif old := list(OLD_END.finditer(text)):
        text = text[: old[-1].start()]
    elif start:
        raise ValueError("it has a mark of where the book begins but none of where it ends, as one that is cut off")
    return PRODUCED.sub("", text).strip()


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of prose in one line each, and the lines of what is no prose."""
    for block in re.split(r"\n[ \t]*\n", text):
        plain = ITALIC.sub(r"\1", block)
        if not any(letter.isalnum() for letter in plain) or ILLUSTRATION.match(plain.strip()):
            continue
        lines = [line for line in plain.split("\n") if line.strip()]
        full = sum(map(len, lines[:-1])) >= FULL_LINE * (len(lines) - 1)
        yield from [" ".join(plain.split())] if full else (" ".join(line.split()) for line in lines)
