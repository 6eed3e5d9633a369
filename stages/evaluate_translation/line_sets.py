"""The lines that every system translates, and their references."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UserError
from stages.evaluate_translation.settings import FilesSet, HeldOutSet, LineSetSettings, TableSet
from stages.shared.language_identification import script_share
from stages.shared.text_lines import paired_lines, text_lines
from stages.shared.text_table import read_rows
from stages.shared.training_overlap import in_training_text
from stages.shared.translation.pairs import Pair


@dataclass(frozen=True)
class LineSet:
    """Source lines and their references, and what was left out."""

    name: str
    sources: list[str]
    references: list[str]
    counts: dict[str, int]
    """Pairs that came in, and those left out by reason: `empty_or_repeated`, `other_script`, `in_training_text`,
    `not_drawn`."""

    def described(self) -> dict[str, object]:
        """Return what tells whether two evaluations were made on the same lines."""
        digest = hashlib.sha256()
        for part in (*self.sources, *self.references):
            digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
        return {"set": self.name, "sentences": len(self.sources), "counts": self.counts, "sha256": digest.hexdigest()}


def read_pairs(settings: LineSetSettings, bitext: Path) -> list[Pair]:
    """Return the pairs of a set, empty ones among them. Raises UserError where its files do not fit together."""
    if isinstance(settings, HeldOutSet):
        rows = read_rows(bitext / "test.parquet", ["source_text", "target_text"])
        return [pair for row in rows for pair in _lines_of(row) if _words(pair) >= settings.least_words]
    if isinstance(settings, FilesSet):
        first, step = {"odd": (0, 2), "even": (1, 2), "all": (0, 1)}[settings.lines]
        return paired_lines(settings.source, settings.target)[first::step]
    return list(_table_rows(settings))


def _lines_of(row: tuple[str, ...]) -> Iterator[Pair]:
    """Yield the pairs of a row: its lines where both sides have as many, else the whole as one line."""
    source, target = (text.split("\n") for text in row)
    if len(source) == len(target):
        yield from zip(source, target, strict=True)
    else:
        yield " ".join(source), " ".join(target)


def _words(pair: Pair) -> int:
    return min(len(text.split()) for text in pair)


def _table_rows(settings: TableSet) -> Iterator[Pair]:
    for number, line in enumerate(text_lines(settings.file), 1):
        cells = line.split("\t")
        if len(cells) < 2:
            raise UserError(f"{settings.file.path}, line {number}: no tab; a pair is source, tab, target")
        yield cells[0], cells[1]


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


def select(name: str, pairs: list[Pair], trained_on: TrainingText, selection: Selection) -> LineSet:
    """Return the lines to translate: in the set's order, each pair once, neither side of one in the training text.

    Raises UserError where no pair is left.
    """
    counts = {"pairs": len(pairs)}
    stripped = [(" ".join(source.split()), " ".join(target.split())) for source, target in pairs]
    full = [pair for pair in dict.fromkeys(stripped) if all(pair)]
    written = [pair for pair in full if script_share(pair[1], selection.script) >= selection.script_share]
    sides = zip((trained_on.sources, trained_on.targets), zip(*written, strict=True), strict=False)
    known = [in_training_text(lines, tables.items(), selection.least_words) for tables, lines in sides]
    unseen = [pair for pair, *seen in zip(written, *known, strict=True) if not any(seen)]
    drawn = set(sorted(unseen, key=lambda pair: _draw(pair, selection.seed))[: selection.lines])
    chosen = [pair for pair in unseen if pair in drawn]
    counts |= {"empty_or_repeated": len(stripped) - len(full), "other_script": len(full) - len(written)}
    counts |= {"in_training_text": len(written) - len(unseen), "not_drawn": len(unseen) - len(chosen)}
    if not chosen:
        raise UserError(f"test set '{name}' has no line left: {counts}; give more lines, or leave the set out")
    return LineSet(name, [source for source, _ in chosen], [target for _, target in chosen], counts)


def _draw(pair: Pair, seed: int) -> bytes:
    return hashlib.blake2b("\t".join((str(seed), *pair)).encode(), digest_size=8).digest()
