"""ingest_bitext: aligned pairs, cleaned, split as the corpus is, and without overlap with anything held out."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.ingest_bitext.pairs import PairCleaner, Row
from stages.ingest_bitext.settings import IngestBitextSettings
from stages.ingest_bitext.summary import summarise
from stages.shared.card_documents import card_documents
from stages.shared.cleaning import Cleaner
from stages.shared.overlap import SentenceIndex
from stages.shared.split import SPLITS, split_of
from stages.shared.tally import Tally
from stages.shared.text_settings import SplitSettings
from stages.shared.text_table import PAIR, ROW_GROUP, TableWriter, read_lines, read_rows, write_rows


def ingest_bitext(
    settings: IngestBitextSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write train, validation and test.parquet (id, group, card, source_text, target_text) and bitext.json.

    The split is the corpus', by its seed and shares. Where there is a `bitext` of another source language among the
    inputs, what it holds out is held out here. Raises UserError where a source is broken, a card is not
    parallel or holds no pairs, or no training pair is left.
    """
    corpus = inputs["corpus"]
    split = SplitSettings.model_validate(json.loads((corpus / "corpus.json").read_text(encoding="utf-8"))["split"])
    cleaner = PairCleaner(
        Cleaner(settings.bitext.cleaning, settings.language), settings.bitext, settings.language.source_code
    )
    tallies = {card.name: Tally() for card in settings.cards}
    notes = [*cleaner.cleaner.notes]
    drafts = {name: out / f"{name}.draft.parquet" for name in SPLITS}
    with ExitStack() as stack:
        writers = {name: stack.enter_context(TableWriter(path, PAIR)) for name, path in drafts.items()}
        for row in _rows(settings, execution, cleaner, tallies, notes):
            writers[split_of(row[1], split)].add(row)
    deduplicated = {name: sum(1 for _ in read_rows(path, ["id"])) for name, path in drafts.items()}
    held_out = held_out_targets(corpus, inputs.get("bitext"))
    write_training(drafts["train"], out, held_out, tallies)
    write_held_out(drafts, out, corpus / "train.parquet", tallies)
    for path in drafts.values():
        path.unlink()
    summary = summarise(settings, corpus, held_out, out, tallies)
    summary |= {"pairs_before_overlap": deduplicated, "split": split.model_dump(), "notes": notes}
    text = json.dumps(summary, ensure_ascii=False, indent=2) + "\n"
    (out / "bitext.json").write_text(text, encoding="utf-8")
    return {"splits": summary["splits"], "overlap": summary["overlap"]}


def _rows(
    settings: IngestBitextSettings,
    execution: Execution,
    cleaner: PairCleaner,
    tallies: Mapping[str, Tally],
    notes: list[str],
) -> Iterator[Row]:
    if not settings.cards:
        raise UserError(
            "the bitext has no data cards; name parallel ones in the language's file under `cards`, or give a finished "
            "table with alignment=table alignment.path=FILE.tsv"
        )
    for card in settings.cards:
        if card.role != "parallel":
            raise UserError(
                f"data card {card.name} is {card.role}; a bitext takes parallel ones: remove it from `cards`"
            )
        documents = card_documents(card, execution, settings.bitext.cleaning.catalogue_bytes, notes.append)
        yield from cleaner.rows(card.name, documents, tallies[card.name])


def held_out_targets(corpus: Path, bitext: Path | None) -> SentenceIndex:
    """Return the sentences that a corpus and another bitext hold out."""
    tables = [(corpus, "text"), *([(bitext, "target_text")] if bitext else [])]
    return SentenceIndex(
        line
        for folder, column in tables
        for name in ("validation", "test")
        for line in read_lines(folder / f"{name}.parquet", column)
    )


def write_training(draft: Path, out: Path, held_out: SentenceIndex, tallies: Mapping[str, Tally]) -> None:
    """Write train.parquet without the pairs whose target side holds a held-out sentence."""
    rows = tqdm(read_rows(draft, PAIR), desc="held-out lines out of training", unit=" pairs")
    write_rows(
        out / "train.parquet",
        PAIR,
        _without(rows, lambda batch: held_out.overlapping([row[4] for row in batch]), tallies),
    )


def write_held_out(drafts: Mapping[str, Path], out: Path, corpus: Path, tallies: Mapping[str, Tally]) -> None:
    """Write the held-out tables without the pairs of which a side is in the bitext's or the corpus' training text."""
    train, held_out = out / "train.parquet", ("validation", "test")
    sources, targets = (
        SentenceIndex(line for name in held_out for line in read_lines(drafts[name], side))
        for side in ("source_text", "target_text")
    )
    shared_sources = sources.restricted_to(read_lines(train, "source_text"))
    shared_targets = targets.restricted_to(chain(read_lines(train, "target_text"), read_lines(corpus, "text")))

    def overlapping(batch: Sequence[Row]) -> np.ndarray:
        overlaps = shared_sources.overlapping([row[3] for row in batch])
        overlaps |= shared_targets.overlapping([row[4] for row in batch])
        return overlaps

    for name in held_out:
        write_rows(out / f"{name}.parquet", PAIR, _without(read_rows(drafts[name], PAIR), overlapping, tallies))


def _without(
    rows: Iterable[Row], overlapping: Callable[[Sequence[Row]], np.ndarray], tallies: Mapping[str, Tally]
) -> Iterator[Row]:
    rows = iter(rows)
    while batch := list(islice(rows, ROW_GROUP)):
        for row, overlaps in zip(batch, overlapping(batch).tolist(), strict=True):
            if overlaps:
                tallies[row[2]].drop_kept("overlap")
            else:
                yield row
