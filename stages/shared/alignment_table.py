"""fast_align's table as a file: source unit, target unit, natural log-probability, expected count.

A unit is a word: the strings of its tokens joined by `—`. A character of a token that would break that form is written
as `␛`, its code point in hexadecimal, and `;`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from pipeline.errors import UserError

JOINER = "—"
ESCAPE = "␛"
NULL = "<eps>"
UNSAFE = re.compile(f"[{JOINER}{ESCAPE}\\s\\x00]")
ESCAPED = re.compile(f"{ESCAPE}([0-9a-f]{{1,6}});")
COLUMNS = "source unit, target unit, log-probability, count"


BLOCK_BYTES = 1 << 22
"""Of a table that are parsed at once."""


class WordPair(NamedTuple):
    """One line of a table; units as written in the file."""

    source: str
    target: str
    log_probability: float
    expected_count: float


class TableColumns(NamedTuple):
    """Lines of a table; units as written in the file, arrays of shape (lines,)."""

    sources: list[str]
    targets: list[str]
    log_probabilities: np.ndarray
    expected_counts: np.ndarray


def join_tokens(tokens: Sequence[str]) -> str:
    """Write the tokens of one word as a unit that survives a tab-separated file.

    >>> join_tokens(["▁Vijf", "tien"]), join_tokens(["—"])
    ('▁Vijf—tien', '␛2014;')
    """
    unit = JOINER.join(UNSAFE.sub(lambda found: f"{ESCAPE}{ord(found[0]):x};", token) for token in tokens)
    return unit if unit != NULL else f"{ESCAPE}3c;eps>"


def split_unit(unit: str, vocabulary: dict[str, int]) -> list[str]:
    """Return the tokens of a unit; one that is itself a token of the vocabulary is not split.

    Tables made by others do not escape, so the whole is looked up first: their `—` is then the dash itself.
    """
    return [unit] if unit in vocabulary else split_units([unit])


def split_units(units: list[str]) -> list[str]:
    """Return the tokens of units, those of one after those of the other; none may be a token itself.

    >>> split_units(["▁Vijf—tien", "␛2014;"])
    ['▁Vijf', 'tien', '—']
    """
    if not units:
        return []
    joined = JOINER.join(units)
    tokens = joined.split(JOINER)
    if ESCAPE in joined:
        return [ESCAPED.sub(lambda found: chr(int(found[1], 16)), token) for token in tokens]
    return tokens


def write_table(path: Path, pairs: Iterable[WordPair]) -> None:
    """Write a table, probabilities and counts with six significant digits."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for pair in pairs:
            file.write(f"{pair.source}\t{pair.target}\t{pair.log_probability:.6g}\t{pair.expected_count:.6g}\n")


def read_table(path: Path, progress: bool = True) -> Iterator[WordPair]:
    """Yield the lines of a table. Raises what `read_columns` does."""
    for block in read_columns(path, progress):
        numbers = block.log_probabilities.tolist(), block.expected_counts.tolist()
        yield from map(WordPair, block.sources, block.targets, *numbers)


def read_columns(path: Path, progress: bool = True) -> Iterator[TableColumns]:
    """Yield the columns of a table, some megabytes of lines at once, which is faster than one line after the other.

    Raises UserError with the line's number for what is not UTF-8, not four columns or not finite.
    """
    if not path.is_file():
        raise UserError(f"the alignment table {path} does not exist. Give a file with four columns: {COLUMNS}.")
    bar = tqdm(
        desc=f"read {path.name}",
        total=path.stat().st_size,
        unit="B",
        unit_scale=True,
        mininterval=1,
        disable=not progress,
    )
    number = 1
    with path.open("rb") as file, bar:
        while block := file.read(BLOCK_BYTES):
            block += file.readline()
            yield _parse_block(block, path, number)
            number += block.count(b"\n")
            bar.update(len(block))


def _parse_block(block: bytes, path: Path, number: int) -> TableColumns:
    """Return the columns of whole lines, the first of which has this number."""
    try:
        # Only \n ends a line: a token may hold U+2028 or U+0085, at which str.splitlines() would cut.
        lines = [line for line in (line.rstrip("\r") for line in _decoded(block, number).split("\n")) if line]
        if any(line.count("\t") != 3 for line in lines):
            raise ValueError("not four columns")
        fields = "\t".join(lines).split("\t") if lines else []
        logs, counts = (np.fromiter(map(float, fields[place::4]), np.float64, len(lines)) for place in (2, 3))
        if not (np.isfinite(logs).all() and np.isfinite(counts).all() and (counts >= 0).all()):
            raise ValueError("not finite, or a negative count")
    except ValueError as error:  # UnicodeDecodeError is one
        raise UserError(f"{path}, {_first_fault(block, number)}") from error
    return TableColumns(fields[0::4], fields[1::4], logs, counts)


def _decoded(data: bytes, number: int) -> str:
    # Some editors put a byte order mark before the first line.
    return data.decode("utf-8-sig" if number == 1 else "utf-8")


def _first_fault(block: bytes, number: int) -> str:
    """Return which line of a block is no line of a table, and why."""
    lines = enumerate((line.rstrip(b"\r") for line in block.split(b"\n")), number)
    faults = ((place, _fault(line, place)) for place, line in lines if line)
    return next(f"line {place}: {fault}" for place, fault in faults if fault)


def _fault(line: bytes, number: int) -> str | None:
    try:
        columns = _decoded(line, number).split("\t")
    except UnicodeDecodeError as error:
        return f"not UTF-8 ({error.reason}). Convert the table to UTF-8."
    if len(columns) != 4:
        return f"{len(columns)} columns instead of 4 tab-separated ones ({COLUMNS})."
    numbers = f"log-probability '{columns[2]}' and count '{columns[3]}' must be"
    try:
        log, count = float(columns[2]), float(columns[3])
    except ValueError:
        return f"{numbers} numbers."
    return None if math.isfinite(log) and 0 <= count < math.inf else f"{numbers} finite, and the count not negative."
