"""ingest_corpus: the target language's text, cleaned, split, and without overlap between the splits."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.ingest_corpus.documents import CardTally, DocumentCleaner, Row
from stages.ingest_corpus.held_out import without_overlap
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_corpus.summary import summarise
from stages.shared.card_documents import card_documents
from stages.shared.cleaning import Cleaner
from stages.shared.split import SPLITS, split_of
from stages.shared.text_settings import SplitSettings
from stages.shared.text_table import DOCUMENT, TableWriter, held_out_index, read_rows, write_rows


def ingest_corpus(
    settings: IngestCorpusSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write train, validation and test.parquet (id, group, card, text) and corpus.json with the counts.

    Raises UserError where a source is broken, a card holds no text, or a split has no documents.
    """
    cleaner = DocumentCleaner(Cleaner(settings.corpus.cleaning, settings.language))
    tallies = {card.name: CardTally() for card in settings.cards}
    notes = [*cleaner.cleaner.notes]
    draft = out / "train.draft.parquet"
    write_splits(_rows(settings, execution, cleaner, tallies, notes), settings.corpus.split, out, draft)
    index = held_out_index(out)
    shown = tqdm(read_rows(draft, DOCUMENT), desc="held-out lines out of training", unit=" documents")
    kept = without_overlap(shown, index, tallies, settings.corpus.cleaning.document_words)
    write_rows(out / "train.parquet", DOCUMENT, kept)
    draft.unlink()
    summary = summarise(settings, out, tallies) | {"notes": notes}
    text = json.dumps(summary, ensure_ascii=False, indent=2) + "\n"
    (out / "corpus.json").write_text(text, encoding="utf-8")
    return {"splits": summary["splits"], "overlap": summary["overlap"]}


def _rows(
    settings: IngestCorpusSettings,
    execution: Execution,
    cleaner: DocumentCleaner,
    tallies: dict[str, CardTally],
    notes: list[str],
) -> Iterator[Row]:
    if not settings.cards:
        raise UserError(
            "the corpus has no data cards; name some in the language's file under `cards`, or in corpus.cards"
        )
    for card in settings.cards:
        documents = card_documents(card, execution, settings.corpus.cleaning.catalogue_bytes, notes.append)
        yield from cleaner.rows(card.name, documents, tallies[card.name])


def write_splits(rows: Iterable[Row], split: SplitSettings, out: Path, train: Path) -> None:
    """Write each row to the table of its group's split, training rows to `train`."""
    with ExitStack() as stack:
        paths = {name: train if name == "train" else out / f"{name}.parquet" for name in SPLITS}
        writers = {name: stack.enter_context(TableWriter(path, DOCUMENT)) for name, path in paths.items()}
        for row in rows:
            writers[split_of(row[1], split)].add(row)
