"""fast_align's table as a file: source unit, target unit, natural log-probability, expected count.

A unit is a word: the strings of its tokens joined by `—`. A character of a token that would break that form is written
as `␛`, its code point in hexadecimal, and `;`.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from pipeline.errors import UserError

JOINER = "—"
ESCAPE = "␛"
NULL = "<eps>"
UNSAFE = re.compile(f"[{JOINER}{ESCAPE}\\s\\x00]")
ESCAPED = re.compile(f"{ESCAPE}([0-9a-f]{{1,6}});")
COLUMNS = "source unit, target unit, log-probability, count"


class WordPair(NamedTuple):
    """One line of a table; units as written in the file."""

    source: str
    target: str
    log_probability: float
    expected_count: float


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
    if unit in vocabulary:
        return [unit]
    tokens = unit.split(JOINER)
    if ESCAPE in unit:
        return [ESCAPED.sub(lambda found: chr(int(found[1], 16)), token) for token in tokens]
    return tokens


def write_table(path: Path, pairs: Iterable[WordPair]) -> None:
    """Write a table, probabilities and counts with six significant digits."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for pair in pairs:
            file.write(f"{pair.source}\t{pair.target}\t{pair.log_probability:.6g}\t{pair.expected_count:.6g}\n")


def read_table(path: Path, progress: bool = True) -> Iterator[WordPair]:
    """Yield the lines of a table.

    Raises UserError with the line's number for what is not UTF-8, not four columns or not finite.
    """
    if not path.is_file():
        raise UserError(f"the alignment table {path} does not exist. Give a file with four columns: {COLUMNS}.")
    with path.open("rb") as file:
        # Only \n ends a line: a token may hold U+2028 or U+0085, at which str.splitlines() would cut.
        lines = tqdm(file, desc=f"read {path.name}", unit=" lines", mininterval=1, disable=not progress)
        for number, line in enumerate(lines, 1):
            stripped = line.rstrip(b"\r\n")
            if stripped:
                yield _parse_line(stripped, path, number)


def _parse_line(line: bytes, path: Path, number: int) -> WordPair:
    try:
        # Some editors put a byte order mark before the first line.
        columns = line.decode("utf-8-sig" if number == 1 else "utf-8").split("\t")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}, line {number}: not UTF-8 ({error.reason}). Convert the table to UTF-8.") from error
    if len(columns) != 4:
        raise UserError(f"{path}, line {number}: {len(columns)} columns instead of 4 tab-separated ones ({COLUMNS}).")
    source, target, probability, count = columns
    try:
        pair = WordPair(source, target, float(probability), float(count))
    except ValueError as error:
        raise UserError(
            f"{path}, line {number}: log-probability '{probability}' and count '{count}' must be numbers."
        ) from error
    if not (math.isfinite(pair.log_probability) and 0 <= pair.expected_count < math.inf):
        raise UserError(
            f"{path}, line {number}: log-probability '{probability}' and count '{count}' must be finite, "
            "and the count not negative."
        )
    return pair
