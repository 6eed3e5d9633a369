"""Dictionaries in the format of the DICT server (RFC 2229, dictfmt): an index, and a text file packed with dictzip."""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.section import Section
from stages.shared.documents import Document, Segment
from stages.shared.readers.broken import broken
from stages.shared.readers.task import Found, ReadTask
from stages.shared.readers.text_file import not_utf8, text_lines

DIGITS = {
    letter: number for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}
ABOUT = ("00database", "00-database")
SAID_OF_THE_WORD = re.compile(r"\s/[^/]*/|<[^<>]*>|\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}")
"""Pronunciation, grammar, subject, remarks, links."""
NUMBER = re.compile(r"^\d+\.\s+")
NO_TRANSLATION = re.compile(r"^(see|synonyms?|antonyms?|note)\s*:", re.IGNORECASE)
INDENTED = "   "
"""What begins so is an example, a note or a list of synonyms."""
LIGATURES = str.maketrans({"ĳ": "ij", "Ĳ": "IJ", "‐": "-", "’": "'"})


class DictdOptions(Section):
    """Options of the reader `dictd`."""

    source_to_target: str | None
    """Glob pattern of the index of the dictionary from the source language, `.dict.dz` beside it; null for none."""
    target_to_source: str | None
    """The same into the source language."""


def read_dictd(task: ReadTask, options: DictdOptions) -> Iterator[Found]:
    """Yield a document for each dictionary: a segment for each word and translation, sources first."""
    for pattern, turned in ((options.source_to_target, False), (options.target_to_source, True)):
        for name, path in task.files(pattern) if pattern else ():
            pairs = [(word, meaning) for entry in entries(path) for word, meaning in translations(entry)]
            yield Document(name, name, tuple(Segment(*(pair[::-1] if turned else pair)) for pair in pairs))


def entries(index: Path) -> Iterator[str]:
    """Yield the text of each entry once, in the order of the file.

    An index has a line for each headword: the word, and offset and length in bytes written in the digits of base64.
    Raises UserError where a file is damaged or the two do not fit.
    """
    path = index.with_suffix(".dict.dz")
    try:
        data = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise broken(index, "file", f"{path.name} does not lie beside it") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise broken(path, "file", f"the compressed data is cut off or damaged ({error})") from None
    places = set()
    for number, line in text_lines(index):
        columns = line.split("\t")
        if len(columns) < 3 or not set(columns[1] + columns[2]) <= DIGITS.keys():
            raise broken(index, f"line {number}", "no headword, offset and length separated by tabs")
        if not columns[0].startswith(ABOUT):
            places.add((base64_number(columns[1]), base64_number(columns[2])))
    for offset, length in sorted(places):
        if offset + length > len(data):
            raise broken(index, "file", f"an entry ends behind the {len(data)} bytes of {path.name}")
        try:
            yield data[offset : offset + length].decode()
        except UnicodeDecodeError as error:
            raise not_utf8(path, f"entry at byte {offset}", error) from None


def base64_number(digits: str) -> int:
    """Return the number that the digits of base64 write, the highest first.

    >>> base64_number("B"), base64_number("Rz")
    (1, 1139)
    """
    value = 0
    for digit in digits:
        value = value * 64 + DIGITS[digit]
    return value


def translations(entry: str) -> Iterator[tuple[str, str]]:
    r"""Yield the headword of an entry with each of its translations, remarks left out.

    >>> list(translations("to able /eibl/ <adj>\n1. in staat om, bekwaam\n2. [jur.] bereid (oud)\n see: {can}\n"))
    [('to able', 'in staat om'), ('to able', 'bekwaam'), ('to able', 'bereid')]
    """
    head, *lines = entry.translate(LIGATURES).splitlines() or [""]
    word = _plain(head)
    for line in lines:
        if line.startswith(INDENTED) or NO_TRANSLATION.match(line.strip()):
            continue
        for meaning in re.split("[,;]", _plain(NUMBER.sub("", line.strip()))):
            if word and meaning.strip():
                yield word, meaning.strip()


def _plain(text: str) -> str:
    return " ".join(SAID_OF_THE_WORD.sub(" ", text).split())
