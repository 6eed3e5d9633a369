"""From a card's files to the pairs that stay when each is judged for itself."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.cards import ResolvedCard
from stages.ingest_bitext.dropped import Dropped
from stages.ingest_bitext.settings import BitextSettings
from stages.ingest_bitext.sides import SideRules
from stages.shared.card_documents import handling
from stages.shared.cleaning import Cleaner
from stages.shared.curation.curate import BATCH_CHARACTERS
from stages.shared.documents import Document, Segment
from stages.shared.duplicates.text_hashes import save_array, text_hashes
from stages.shared.identity import BrokenIds, id_sum
from stages.shared.language_identification import LanguageJudge, letters
from stages.shared.normalisation import normalise
from stages.shared.placeholders import placeholders_differ
from stages.shared.readers.catalogue import read_card
from stages.shared.readers.left_out import LeftOut
from stages.shared.text_settings import LanguageSettings
from stages.shared.text_table import PAIR, TableWriter, record_batches
from stages.shared.words import comparable

PAIRS, FIGURES = "pairs.parquet", "figures.json"
WHOLE, SOURCES, TARGETS = "whole.npy", "sources.npy", "targets.npy"
HASHES_AT_ONCE = 10_000
# Two short sides may well differ in length by more than any ratio: "OK" and "In orde".
RATIO_CHARACTERS = 40

Row = tuple[str, ...]


class ReadTask(NamedTuple):
    """Files of a data card's source that are read one after the other."""

    card: ResolvedCard
    folder: Path
    only: tuple[str, ...] | None
    """Names of files; None for all that the card's reader wants."""
    bitext: BitextSettings
    language: LanguageSettings


class PairJudge:
    """Judges pairs one by one; a judgement is a reason to drop, or None."""

    def __init__(self, settings: BitextSettings, language: LanguageSettings) -> None:
        cleaning = settings.cleaning
        self.cleaner = Cleaner(cleaning, language)
        self.source_judge = LanguageJudge(language.source_code, cleaning.language_threshold, cleaning.language_letters)
        self.settings = settings

    def pair(self, pair: Segment) -> str | None:
        """Judge a normalised pair for itself."""
        reason = self.cleaner.line(pair.target)
        if reason or not letters(pair.source):
            return reason or "no_letters"
        source = comparable(pair.source)
        if source == comparable(pair.target) and len(source.split()) >= self.settings.untranslated_words:
            return "untranslated"
        short, long = sorted(map(len, pair))
        if long > RATIO_CHARACTERS and long / short > self.settings.length_ratio:
            return "length_ratio"
        if self.settings.placeholders and placeholders_differ(*pair):
            return "placeholders"
        return "source_language" if self._foreign(pair.source) else None

    def document(self, pairs: Sequence[Segment]) -> str | None:
        """Judge each side of a document by all its lines together."""
        reason = self.cleaner.document([pair.target for pair in pairs])
        if reason is None and self._foreign(" ".join(pair.source for pair in pairs)):
            return "source_language"
        return reason

    def _foreign(self, source: str) -> bool:
        return self.settings.source_language and self.source_judge.other(source)


def read_pairs(task: ReadTask, out: Path) -> None:
    """Write pairs.parquet, figures.json with what was read and dropped, and hashes.

    These are: whole.npy, a pair's as it stands; sources.npy and targets.npy, those of its sides as they are compared.
    """
    judge, sides = PairJudge(task.bitext, task.language), SideRules(task.bitext, task.language)
    dropped, skipped, left_out = Dropped(), BrokenIds(task.card.name, task.folder), LeftOut()
    read = ids = 0
    with TableWriter(out / PAIRS, PAIR) as kept:
        how = handling(task.bitext.reading, skipped, left_out)
        for document in _rewritten(read_card(task.card, task.folder, how, task.only), sides):
            read += len(document.segments)
            ids += id_sum(_name(document, number) for number in range(len(document.segments)))
            for name, pair in _clean(document, judge, dropped):
                kept.add((name, document.group, task.card.name, pair.source, pair.target))
    for name, column in _hashes(out / PAIRS).items():
        save_array(out / name, column)
    figures = {"pairs": read, "ids": ids, "broken": skipped.figures(), "broken_ids": skipped.ids}
    figures |= {"left_out": vars(left_out)} | dropped.figures()
    figures |= {"rules": sides.counts} if task.bitext.rules else {}
    (out / FIGURES).write_text(json.dumps(figures, ensure_ascii=False), encoding="utf-8")


def _rewritten(documents: Iterable[Document], sides: SideRules) -> Iterator[Document]:
    """Yield each document with its pairs normalised and rewritten by the rules, many documents at a time."""
    batch, characters = list[Document](), 0
    for document in documents:
        pairs = tuple(Segment(normalise(source), normalise(target)) for source, target in document.segments)
        batch.append(document._replace(segments=pairs))
        characters += sum(len(text) for pair in pairs for text in pair)
        if characters >= BATCH_CHARACTERS:
            yield from _with_rules(batch, sides)
            batch, characters = [], 0
    yield from _with_rules(batch, sides)


def _with_rules(batch: Sequence[Document], sides: SideRules) -> Iterator[Document]:
    pairs = iter(sides.rewritten([pair for document in batch for pair in document.segments]))
    for document in batch:
        yield document._replace(segments=tuple(islice(pairs, len(document.segments))))


def _name(document: Document, number: int) -> str:
    """Return the id of a document's pair, the first being number 0."""
    return f"{document.id}/{number}"


def _clean(document: Document, judge: PairJudge, dropped: Dropped) -> Iterator[tuple[str, Segment]]:
    pairs = []
    for number, pair in enumerate(document.segments):
        name = _name(document, number)
        reason = judge.pair(pair)
        if reason:
            dropped.add(name, reason, pair)
        else:
            pairs.append((name, pair))
    reason = judge.document([pair for _, pair in pairs])
    for name, pair in pairs:
        if reason:
            dropped.add(name, reason, pair)
        else:
            yield name, pair


def _hashes(table: Path) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {name: [np.empty(0, np.uint64)] for name in (WHOLE, SOURCES, TARGETS)}
    for batch in record_batches(table, PAIR[3:], HASHES_AT_ONCE):
        source, target = (column.to_pylist() for column in batch.columns)
        # A normalised line holds no line feed.
        found[WHOLE].append(text_hashes("\n".join(pair) for pair in zip(source, target, strict=True)))
        found[SOURCES].append(text_hashes(map(comparable, source)))
        found[TARGETS].append(text_hashes(map(comparable, target)))
    return {name: np.concatenate(parts) for name, parts in found.items()}
