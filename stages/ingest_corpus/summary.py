"""corpus.json: what was read, dropped and written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from stages.ingest_corpus.documents import CardTally
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.shared.split import SPLITS
from stages.shared.text_table import held_out_index, read_lines, read_rows


def summarise(settings: IngestCorpusSettings, out: Path, tallies: Mapping[str, CardTally]) -> dict[str, Any]:
    """Return corpus.json's content, measured on the written tables.

    Raises UserError for a split without documents, RuntimeError where counts or the overlap do not hold.
    """
    size = {name: {"documents": 0, "words": 0, "bytes": 0} for name in (*SPLITS, *tallies)}
    for split in SPLITS:
        for name, text in read_rows(out / f"{split}.parquet", ["card", "text"]):
            for counted in (size[split], size[name]):
                counted["documents"] += 1
                counted["words"] += len(text.split())
                counted["bytes"] += len(text.encode())
    _check_splits({split: size[split]["documents"] for split in SPLITS}, settings)
    cards = []
    for card in settings.cards:
        tally = tallies[card.name]
        tally.documents.check(f"documents of {card.name}")
        tally.lines.check(f"lines of {card.name}")
        if tally.documents.kept != size[card.name]["documents"]:
            raise RuntimeError(f"{card.name}: {tally.documents.kept} documents counted as kept, others written")
        measured = {"words": size[card.name]["words"], "bytes": size[card.name]["bytes"]}
        counts = tally.documents.figures("documents") | {"lines": tally.lines.figures("read")}
        cards.append({"name": card.name, "licence": card.licence} | counts | measured)
    index = held_out_index(out)
    overlap = sum(index.overlaps(line) for line in read_lines(out / "train.parquet", "text"))
    if overlap:
        raise RuntimeError(f"{overlap} training lines hold a held-out sentence, though they were looked for")
    splits = {split: size[split] for split in SPLITS}
    return {"cards": cards, "splits": splits, "split": settings.corpus.split.model_dump(), "overlap": overlap}


def _check_splits(documents: Mapping[str, int], settings: IngestCorpusSettings) -> None:
    names = ", ".join(card.name for card in settings.cards)
    if not sum(documents.values()):
        raise UserError(
            f"the corpus is empty: no document of {names} stayed after cleaning. Check that the cards hold "
            f"{settings.language.english_name} text in the script {settings.language.script}, or choose other cards"
        )
    for split, count in documents.items():
        if not count:
            raise UserError(
                f"the {split} split has no documents ({sum(documents.values())} in all, from {names}). Choose another "
                "corpus.split.seed, larger corpus.split.test_share and validation_share, or add a data card"
            )
