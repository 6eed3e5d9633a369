"""bitext.json: what was read, dropped and written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from stages.ingest_bitext.settings import IngestBitextSettings
from stages.shared.overlap import SentenceIndex, batches
from stages.shared.split import SPLITS
from stages.shared.tally import Tally
from stages.shared.text_table import read_lines, read_rows


def summarise(
    settings: IngestBitextSettings, corpus: Path, held_out: SentenceIndex, out: Path, tallies: Mapping[str, Tally]
) -> dict[str, Any]:
    """Return bitext.json's content, measured on the written tables; `held_out` is what came so with the inputs.

    Words and bytes are the target side's. Raises UserError where no training pair is left, RuntimeError where counts or
    the overlap do not hold.
    """
    size = {name: {"pairs": 0, "words": 0, "bytes": 0} for name in (*SPLITS, *tallies)}
    for split in SPLITS:
        for card_name, text in read_rows(out / f"{split}.parquet", ["card", "target_text"]):
            for counted in (size[split], size[card_name]):
                counted["pairs"] += 1
                counted["words"] += len(text.split())
                counted["bytes"] += len(text.encode())
    if not size["train"]["pairs"]:
        names = ", ".join(tallies)
        raise UserError(
            f"the bitext has no training pairs: none of {names} stayed after cleaning. Check that the cards hold "
            f"{settings.language.english_name}, choose other cards, or give a table with alignment=table"
        )
    cards = []
    for card in settings.cards:
        tally, measured = tallies[card.name], size[card.name]
        tally.check(f"pairs of {card.name}")
        if tally.kept != measured["pairs"]:
            raise RuntimeError(f"{card.name}: {tally.kept} pairs counted as kept, {measured['pairs']} written")
        figures = tally.figures("pairs") | {"words": measured["words"], "bytes": measured["bytes"]}
        cards.append({"name": card.name, "licence": card.licence} | figures)
    overlap = measured_overlap(corpus, held_out, out)
    if overlap:
        raise RuntimeError(f"{overlap} training lines hold a held-out sentence, though they were looked for")
    return {"cards": cards, "splits": {split: size[split] for split in SPLITS}, "overlap": overlap}


def measured_overlap(corpus: Path, held_out_before: SentenceIndex, bitext: Path) -> int:
    """Return how many lines of the training pairs or of the corpus' training text are, or hold, something held out."""
    held_out = [bitext / f"{name}.parquet" for name in ("validation", "test")]
    sources, targets = (
        SentenceIndex(line for path in held_out for line in read_lines(path, side))
        for side in ("source_text", "target_text")
    )
    count = sources.count(read_lines(bitext / "train.parquet", "source_text"))
    count += targets.count(read_lines(corpus / "train.parquet", "text"))
    for lines in batches(read_lines(bitext / "train.parquet", "target_text")):
        count += int((targets.overlapping(lines) | held_out_before.overlapping(lines)).sum())
    return count
