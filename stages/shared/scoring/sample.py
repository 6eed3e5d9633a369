"""The held-out text that every system is scored on."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.errors import UserError


@dataclass(frozen=True)
class Document:
    """A text to score, and the name it goes by in evaluation.json."""

    id: str
    text: str
    group: str
    """What it was taken from with others, which are no independent evidence: a page, a catalogue, a passage."""

    @property
    def bytes(self) -> int:
        """UTF-8 bytes."""
        return len(self.text.encode())

    @property
    def words(self) -> int:
        """Whitespace-separated words."""
        return len(self.text.split())


def read_sample(
    parquet: Path, total_bytes: int, document_bytes: int, seed: int, per_group: int | None = None
) -> list[Document]:
    """Return the sample of a corpus split: it depends on the text, the sizes and the seed, on no tokenizer.

    Documents come in the order of a hash of seed and id, at most `per_group` of a group, until there are at least
    `total_bytes` bytes or no more documents. Raises UserError where the split holds no text.
    """
    table = pq.read_table(parquet, columns=["id", "text", "group"])
    documents = map(Document, *(table[name].to_pylist() for name in ("id", "text", "group")))
    sample = take_sample(documents, total_bytes, document_bytes, seed, per_group)
    if not sample:
        raise UserError(f"{parquet} holds no text to score: add a corpus to the language's data cards")
    return sample


def take_sample(
    documents: Iterable[Document], total_bytes: int, document_bytes: int, seed: int, per_group: int | None = None
) -> list[Document]:
    """Return the same of any documents; none where there is no text."""
    sample: list[Document] = []
    taken: Counter[str] = Counter()
    left = total_bytes
    for document in sorted(documents, key=lambda document: _order(document.id, seed)):
        shown = replace(document, text=excerpt(document.text, document_bytes))
        if left > 0 and shown.words and (per_group is None or taken[shown.group] < per_group):
            sample.append(shown)
            taken[shown.group] += 1
            left -= shown.bytes
    return sample


def take_first(documents: Iterable[Document], total_bytes: int, document_bytes: int) -> list[Document]:
    """Return the first documents, in their order, until there are enough bytes."""
    chosen: list[Document] = []
    left = total_bytes
    for document in documents:
        if left <= 0:
            break
        chosen.append(replace(document, text=excerpt(document.text, document_bytes)))
        left -= chosen[-1].bytes
    return chosen


def _order(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest() + name.encode()


def excerpt(text: str, most_bytes: int) -> str:
    """Return the beginning of the text that fits, ended at a line, else at a word, else at a character.

    >>> excerpt("een huis\\nen een tuin", 12)
    'een huis'
    >>> excerpt("een huis", 6)
    'een'
    """
    data = text.encode()
    if len(data) <= most_bytes:
        return text
    # One byte more shows whether the cut falls just behind a line or a word.
    head = data[: most_bytes + 1]
    for mark in (b"\n", b" "):
        line = head.rpartition(mark)[0]
        if line.strip():
            return line.decode()
    return data[:most_bytes].decode(errors="ignore")


def sample_digest(documents: Sequence[Document]) -> str:
    """Return a hash of the sample, by which two evaluations are known to be of the same text."""
    digest = hashlib.sha256()
    for document in documents:
        for part in (document.id, document.text):
            digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    return digest.hexdigest()


def read_lines(path: Path, lines: str = "all", first_line: int = 1, passage_lines: int = 1) -> list[Document]:
    """Read the `odd`, `even` or `all` lines of a UTF-8 text of one document a line; those without a word are left out.

    Lines are counted from 1 as the file has them, empty ones too; `passage_lines` of the file make a group. Raises
    UserError for a file that is not there, is not UTF-8 (with line and byte) or has no such text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the text {path}: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder counts behind a byte order mark.
        start = error.start + len(data) - len(error.object)
        line = data.count(b"\n", 0, start) + 1
        raise UserError(
            f"{path}, line {line}, byte {start + 1} of the file: 0x{data[start]:02x} is not valid UTF-8 "
            f"({error.reason}). Convert the file, for example with iconv"
        ) from None
    documents = [
        Document(f"line {number}", line, f"passage {(number - 1) // passage_lines + 1}")
        for number, line in _numbered(text, lines)
        if number >= first_line
    ]
    if not documents:
        which = "" if lines == "all" else f" on its {lines} lines"
        which += "" if first_line == 1 else f" from line {first_line} on"
        raise UserError(f"{path} holds no text{which}: give at least one line with a word")
    return documents


def _numbered(text: str, lines: str) -> Iterator[tuple[int, str]]:
    remainders = {"odd": (1,), "even": (0,), "all": (0, 1)}[lines]
    for number, line in enumerate(text.split("\n"), 1):
        if number % 2 in remainders and line.strip():
            yield number, line.removesuffix("\r")
