"""The pairs of a bitext as numbered words, without those that are not to be aligned."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tqdm import tqdm

from pipeline.errors import UserError
from stages.align_tokens.settings import PairCleaning
from stages.align_tokens.word_units import Sentences, WordUnits
from stages.shared.deduplication import fingerprint
from stages.shared.placeholders import without_placeholders

BATCH_PAIRS = 8192
RATIO_WORDS = 8
"""Two short sides may well differ by more than any ratio: "OK" and "Dat is in orde"."""
DIGITS = re.compile(r"\d+")
NO_CLEANING = PairCleaning(placeholders=False, copies=False, duplicates=False, length_ratio=None)


@dataclass
class LeftOut:
    """Numbers of what was not aligned."""

    pairs: Counter[str] = field(default_factory=Counter)
    """By reason."""
    placeholders: int = 0

    def figures(self) -> dict[str, int]:
        """Return the numbers by name."""
        reasons = {f"pairs_left_out_{reason}": number for reason, number in sorted(self.pairs.items())}
        return {**reasons, "placeholders_left_out": self.placeholders}


class TextCleaner:
    """Takes placeholders out and judges pairs of texts."""

    def __init__(self, cleaning: PairCleaning) -> None:
        self.cleaning = cleaning
        self.left_out = LeftOut()

    def clean(self, source: str, target: str) -> tuple[str, str]:
        """Return a pair without placeholders, or two empty texts where it is not to be aligned."""
        if self.cleaning.placeholders:
            source, target = self._without_placeholders(source), self._without_placeholders(target)
        reason = self._reason(source.strip().casefold(), target.strip().casefold())
        if reason:
            self.left_out.pairs[reason] += 1
            return "", ""
        return source, target

    def _without_placeholders(self, text: str) -> str:
        text, number = without_placeholders(text)
        self.left_out.placeholders += number
        return text

    def _reason(self, source: str, target: str) -> str | None:
        if not source or not target:
            return "empty"
        return "copies" if self.cleaning.copies and source == target else None


def read_pairs(
    path: Path, source: WordUnits, target: WordUnits, cleaning: PairCleaning = NO_CLEANING
) -> tuple[Sentences, Sentences, LeftOut]:
    """Tokenize the pairs of a bitext and cut them into words; also return what was left out, empty sides at least.

    Raises UserError where no pair stays.
    """
    cleaner = TextCleaner(cleaning)
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    lengths: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    prints: list[np.ndarray] = []
    for texts in _batches(path):
        clean = [cleaner.clean(*pair) for pair in zip(*texts, strict=True)]
        cut = [units.cut([pair[side] for pair in clean]) for side, units in enumerate((source, target))]
        kept = _kept(np.diff(cut[0].starts), np.diff(cut[1].starts), cleaning.length_ratio, cleaner.left_out)
        for side in (0, 1):
            length = np.diff(cut[side].starts)
            parts[side].append(cut[side].units[np.repeat(kept, length)])
            lengths[side].append(length[kept])
        prints += [fingerprints(clean)[kept]] if cleaning.duplicates else []
    if not sum(map(len, lengths[0])):
        raise UserError(f"{path} has no pair with text on both sides: add a bitext to the language's data cards.")
    joined = [
        Sentences(np.concatenate(units), np.concatenate([[0], np.cumsum(np.concatenate(length))]))
        for units, length in zip(parts, lengths, strict=True)
    ]
    if cleaning.duplicates:
        _, firsts = np.unique(np.concatenate(prints), return_index=True)
        cleaner.left_out.pairs["duplicates"] = len(joined[0]) - len(firsts)
        joined = [_rows(sentences, np.sort(firsts)) for sentences in joined]
    return joined[0], joined[1], cleaner.left_out


def fingerprints(pairs: list[tuple[str, str]]) -> np.ndarray:
    """Return 8 bytes for each pair, equal where they differ by case or digits only, uint64."""
    found = (fingerprint(*(DIGITS.sub("0", text.strip().casefold()) for text in pair)) for pair in pairs)
    return np.frombuffer(b"".join(found), dtype="<u8")


def take_evenly(source: Sentences, target: Sentences, pairs: int | None) -> tuple[Sentences, Sentences]:
    """Return so many of the pairs, evenly spread over the whole; all of them for None."""
    if pairs is None or pairs >= len(source):
        return source, target
    rows = np.arange(pairs) * len(source) // pairs
    return _rows(source, rows), _rows(target, rows)


def _rows(sentences: Sentences, rows: np.ndarray) -> Sentences:
    lengths = np.diff(sentences.starts)
    kept = np.zeros(len(lengths), dtype=bool)
    kept[rows] = True
    return Sentences(sentences.units[np.repeat(kept, lengths)], np.concatenate([[0], np.cumsum(lengths[rows])]))


def _batches(path: Path) -> Iterator[list[list[str]]]:
    with pq.ParquetFile(path) as file:
        bar = tqdm(total=file.metadata.num_rows, desc="tokenize pairs", unit=" pairs", mininterval=1)
        for batch in file.iter_batches(BATCH_PAIRS, columns=["source_text", "target_text"]):
            yield [batch.column(side).to_pylist() for side in ("source_text", "target_text")]
            bar.update(len(batch))
        bar.close()


def _kept(m: np.ndarray, n: np.ndarray, ratio: float | None, left_out: LeftOut) -> np.ndarray:
    """Return which pairs have words on both sides, m and n of them, and not too many more on one."""
    kept: np.ndarray = (m > 0) & (n > 0)
    if ratio is not None:
        long, short = np.maximum(m, n), np.maximum(np.minimum(m, n), 1)
        uneven = kept & (long > RATIO_WORDS) & (long > ratio * short)
        left_out.pairs["length_ratio"] += int(uneven.sum())
        kept &= ~uneven
    return kept
