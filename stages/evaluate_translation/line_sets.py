"""The lines that every system translates, and their references."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.errors import UserError
from stages.evaluate_translation.settings import FilesSet, HeldOutSet, LineSetSettings, TableSet
from stages.shared.language_identification import script_share
from stages.shared.text_lines import paired_lines, text_lines
from stages.shared.text_table import read_rows
from stages.shared.training_overlap import in_training_text
from stages.shared.translation.pairs import Pair


class SetLine(NamedTuple):
    """A line of a set as it came in."""

    source: str
    target: str
    group: str
    """What it was taken from with others, which are no independent evidence: a page, a catalogue, a passage."""


@dataclass(frozen=True)
class LineSet:
    """Source lines and their references, and what was left out."""

    name: str
    sources: list[str]
    references: list[str]
    groups: list[str]
    """Of each line; intervals are made by drawing whole groups."""
    counts: dict[str, int]
    """Pairs that came in, and those left out by reason: `empty_or_repeated`, `other_script`, `in_training_text`,
    `short_in_training_text`, `not_drawn`."""

    def described(self) -> dict[str, object]:
        """Return what tells whether two evaluations were made on the same lines."""
        digest = hashlib.sha256()
        for part in (*self.sources, *self.references):
            digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
        size = {"sentences": len(self.sources), "groups": len(set(self.groups))}
        return {"set": self.name, **size, "counts": self.counts, "sha256": digest.hexdigest()}


def read_lines(settings: LineSetSettings, bitext: Path) -> list[SetLine]:
    """Return the lines of a set, empty ones among them. Raises UserError where its files do not fit together."""
    if isinstance(settings, HeldOutSet):
        rows = read_rows(bitext / "test.parquet", ["group", "source_text", "target_text"])
        lines = [SetLine(*pair, group) for group, *texts in rows for pair in _lines_of(*texts)]
        return [line for line in lines if _words(line) >= settings.least_words]
    if isinstance(settings, FilesSet):
        first, step = {"odd": (0, 2), "even": (1, 2), "all": (0, 1)}[settings.lines]
        pairs = paired_lines(settings.source, settings.target)
        lines = [SetLine(*pair, f"passage {place // settings.passage_lines + 1}") for place, pair in enumerate(pairs)]
        return lines[first::step]
    return list(_table_rows(settings))


def _lines_of(source_text: str, target_text: str) -> Iterator[Pair]:
    """Yield the pairs of a row: its lines where both sides have as many, else the whole as one line."""
    source, target = source_text.split("\n"), target_text.split("\n")
    if len(source) == len(target):
        yield from zip(source, target, strict=True)
    else:
        yield " ".join(source), " ".join(target)


def _words(line: SetLine) -> int:
    return min(len(line.source.split()), len(line.target.split()))


def _table_rows(settings: TableSet) -> Iterator[SetLine]:
    for number, line in enumerate(text_lines(settings.file), 1):
        cells = line.split("\t")
        if len(cells) < 2:
            raise UserError(f"{settings.file.path}, line {number}: no tab; a pair is source, tab, target")
        yield SetLine(cells[0], cells[1], f"line {number}")


@dataclass(frozen=True)
class Selection:
    """Which pairs of a set are taken."""

    lines: int
    seed: int
    script: str
    script_share: float
    least_words: int


@dataclass(frozen=True)
class TrainingText:
    """What the systems have read: tables and the column of each."""

    targets: Mapping[Path, str]
    sources: Mapping[Path, str] = field(default_factory=dict)
    """The other side of pairs: a line that was learnt with another translation is no test either."""


def select(name: str, lines: Sequence[SetLine], trained_on: TrainingText, selection: Selection) -> LineSet:
    """Return the lines to translate: in the set's order, each pair once, neither side of one in the training text.

    A pair that came several times is of the group in which it came first. Raises UserError where no pair is left.
    """
    counts, groups = {"pairs": len(lines)}, dict[Pair, str]()
    for line in lines:
        groups.setdefault((" ".join(line.source.split()), " ".join(line.target.split())), line.group)
    full = [pair for pair in groups if all(pair)]
    written = [pair for pair in full if script_share(pair[1], selection.script) >= selection.script_share]
    sides = zip((trained_on.sources, trained_on.targets), zip(*written, strict=True), strict=False)
    shares, repeats = np.zeros((2, len(written)), bool)
    for tables, texts in sides:
        found = in_training_text(texts, tables.items(), selection.least_words)
        shares, repeats = shares | found.shares, repeats | found.repeats
    unseen = [pair for pair, seen in zip(written, shares | repeats, strict=True) if not seen]
    drawn = set(sorted(unseen, key=lambda pair: _draw(pair, selection.seed))[: selection.lines])
    chosen = [pair for pair in unseen if pair in drawn]
    counts |= {"empty_or_repeated": len(lines) - len(full), "other_script": len(full) - len(written)}
    counts |= {"in_training_text": int(shares.sum()), "short_in_training_text": int((repeats & ~shares).sum())}
    counts["not_drawn"] = len(unseen) - len(chosen)
    if not chosen:
        raise UserError(f"test set '{name}' has no line left: {counts}; give more lines, or leave the set out")
    sources, references = ([pair[side] for pair in chosen] for side in (0, 1))
    return LineSet(name, sources, references, [groups[pair] for pair in chosen], counts)


def _draw(pair: Pair, seed: int) -> bytes:
    return hashlib.blake2b("\t".join((str(seed), *pair)).encode(), digest_size=8).digest()
