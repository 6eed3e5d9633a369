"""ingest_instructions: conversations, or preferences among their answers, as one table of rows with a held-out part."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.ingest_instructions.conversation import Conversation
from stages.ingest_instructions.overlaps import answer_lines, benchmark_hits, known_answers
from stages.ingest_instructions.settings import IngestInstructionsSettings, ReadingSettings
from stages.ingest_instructions.tables import read_conversations
from stages.shared.artifact import write_json
from stages.shared.deduplication import Seen
from stages.shared.duplicates.benchmark_files import benchmark_index
from stages.shared.duplicates.benchmark_files import summary as decontaminated
from stages.shared.normalisation import normalise
from stages.shared.overlap import SentenceIndex
from stages.shared.readers.broken import BrokenInput, Skipped, handler, with_faults
from stages.shared.readers.left_out import LeftOut
from stages.shared.readers.task import Handling
from stages.shared.sources.fetch import fetch_source
from stages.shared.split import split_of
from stages.shared.tally import Tally
from stages.shared.text_settings import SplitSettings
from stages.shared.text_table import TableWriter, read_lines

SPLITS = ("train", "validation")
TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("card", pa.string()),
        ("licence", pa.string()),
        ("messages", pa.list_(TURN)),
        ("rejected", pa.string()),
    ]
)
CATALOGUE_BYTES, MAX_LINE_BYTES = 1_000_000, 16_000_000


def ingest_instructions(
    settings: IngestInstructionsSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write train and validation.parquet (id, card, licence, messages, rejected) and instructions.json with the counts.

    `messages` end with the answer, `rejected` is a worse one, null in instructions. No answer holds a sentence that the
    corpus, an input, holds out, no row of train a benchmark's, and no answer of validation one of the corpus' training
    text. Raises UserError where a source is broken or a split has no rows.
    """
    if not settings.cards:
        raise UserError(f"there are no data cards with the role {settings.role}; choose another file of instructions=")
    held_out = SentenceIndex(
        line for name in ("validation", "test") for line in read_lines(inputs["corpus"] / f"{name}.parquet", "text")
    )
    benchmarks = benchmark_index(settings.decontamination)
    counts = Counts(settings)
    seen = Seen()
    measured: list[tuple[ResolvedCard, Conversation]] = []
    with TableWriter(out / "train.parquet", SCHEMA) as train:
        for card, found in _all(settings, execution, counts.skipped, counts.left_out):
            reason = fault_of(found, seen, held_out)
            if reason is None and split_name(found, settings.reading) == "validation":
                measured.append((card, found))
                continue
            if reason is None and (hits := benchmark_hits(found, benchmarks)):
                reason = "benchmark"
                counts.hits += hits
            if counts.stays(card, "train", found, reason):
                train.add(_row(card, found))
    known = known_answers([found for _, found in measured], inputs["corpus"], settings.decontamination.least_words)
    with TableWriter(out / "validation.parquet", SCHEMA) as validation:
        for (card, found), is_known in zip(measured, known, strict=True):
            if counts.stays(card, "validation", found, "in_training_text" if is_known else None):
                validation.add(_row(card, found))
    check_rows(counts.rows, settings)
    write_json(out / "instructions.json", counts.summary(settings))
    return {"rows": counts.rows, "broken_rows": counts.skipped.documents}


class Counts:
    """What was read of each card, kept and left out."""

    def __init__(self, settings: IngestInstructionsSettings) -> None:
        self.tallies = {card.name: Tally() for card in settings.cards}
        self.words: Counter[str] = Counter()
        self.rows = dict.fromkeys(SPLITS, 0)
        self.skipped = Skipped()
        self.hits: list[dict[str, Any]] = []
        self.left_out = LeftOut()

    def stays(self, card: ResolvedCard, split: str, found: Conversation, reason: str | None) -> bool:
        """Count a conversation, and return whether it stays: where there is no reason against it."""
        if reason:
            self.tallies[card.name].drop(reason)
            return False
        self.tallies[card.name].keep()
        self.rows[split] += 1
        self.words[card.name] += sum(len(turn.content.split()) for turn in found.turns)
        return True

    def summary(self, settings: IngestInstructionsSettings) -> dict[str, Any]:
        """Return the content of instructions.json."""
        broken = {"rows": self.skipped.documents, "files": self.skipped.files, "examples": self.skipped.examples}
        cards = [
            {"name": card.name, "licence": card.licence, "words": self.words[card.name]}
            | self.tallies[card.name].figures("rows")
            for card in settings.cards
        ]
        return {
            "role": settings.role,
            "rows": self.rows,
            "cards": cards,
            "broken": broken,
            "benchmarks": decontaminated(self.hits),
            "notes": self.left_out.lines(),
        }


def _row(card: ResolvedCard, found: Conversation) -> tuple[Any, ...]:
    return found.id, card.name, card.licence, [turn._asdict() for turn in found.turns], found.rejected


def _all(
    settings: IngestInstructionsSettings, execution: Execution, skipped: Skipped, left_out: LeftOut
) -> Iterator[tuple[ResolvedCard, Conversation]]:
    """Yield the card and the conversation of each row that is not broken."""
    meet = handler(settings.reading.on_broken, skipped)
    handling = Handling(CATALOGUE_BYTES, MAX_LINE_BYTES, meet, left_out)
    for card in settings.cards:
        folder = fetch_source(card.source, card.files, execution.downloads, execution.debian_mirror)
        for found in tqdm(with_faults(read_conversations(card, folder, handling)), desc=card.name, unit=" rows"):
            if isinstance(found, BrokenInput):
                meet(found)
            else:
                yield card, found


def fault_of(found: Conversation, seen: Seen, held_out: SentenceIndex) -> str | None:
    """Return why a conversation is left out, None where it stays; what was there before counts as seen."""
    answers = [turn.content for turn in found.turns if turn.role == "assistant"]
    if not all(turn.content for turn in found.turns) or found.rejected == "":
        return "empty_turn"
    if found.rejected is not None and normalise(found.rejected) == normalise(answers[-1]):
        return "same_answers"
    if seen.times(*(f"{turn.role}:{normalise(turn.content)}" for turn in found.turns), normalise(found.rejected or "")):
        return "duplicate"
    if held_out.overlapping(answer_lines(found)).any():
        return "held_out_text"
    return None


def split_name(found: Conversation, reading: ReadingSettings) -> str:
    """Return the split of a conversation, which depends on its first question only."""
    share = SplitSettings(seed=reading.seed, validation_share=reading.validation_share, test_share=0)
    return split_of(found.question, share)


def check_rows(rows: Mapping[str, int], settings: IngestInstructionsSettings) -> None:
    """Raise UserError where a split is empty."""
    empty = [name for name in SPLITS if not rows[name]]
    if empty:
        names = ", ".join(card.name for card in settings.cards)
        raise UserError(
            f"no row is left for {' and '.join(empty)} of the {settings.role} in {names} ({sum(rows.values())} rows "
            "in all): add data cards, or change instructions.reading.validation_share or its seed"
        )
