"""Conversations out of data cards: rows of tables, or pairs of question and answer."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from stages.ingest_instructions.conversation import Conversation, Turn, checked, text_of, turns_of
from stages.shared.documents import Document
from stages.shared.readers.broken import BrokenInput, broken
from stages.shared.readers.catalogue import READERS, check_reader
from stages.shared.readers.jsonl import JsonlOptions, json_row
from stages.shared.readers.parquet import ParquetOptions, numbered_rows
from stages.shared.readers.task import Handling, ReadTask
from stages.shared.readers.text_file import checked_lines

BATCH_ROWS = 1000
LAYOUTS = {
    "instructions": (("messages",), ("prompt", "answer")),
    "preferences": (("chosen", "rejected"), ("prompt", "chosen", "rejected")),
}
"""Which columns a card may name, besides `context`, which is put below the prompt."""


def read_conversations(card: ResolvedCard, folder: Path, handling: Handling) -> Iterator[Conversation | BrokenInput]:
    """Yield a card's conversations, and in the place of those that are broken what is wrong with them.

    Raises UserError where the card and its reader do not fit.
    """
    task = ReadTask(folder, card.name, True, card.columns, card.languages, handling)
    options = check_reader(card)
    if isinstance(options, (ParquetOptions, JsonlOptions)):
        check_columns(card)
        for name, number, row in _rows(task, options):
            place = f"{card.name}: {name}: row {number}"
            yield row if isinstance(row, BrokenInput) else _tried(f"{card.name}:{name}#{number}", row, card, place)
        return
    reader = READERS[card.reader.kind]
    if not reader.parallel:
        raise UserError(
            f"data card {card.name}: reader '{card.reader.kind}' reads text, not questions and answers; take parquet, "
            "jsonl, html_questions, or another one that reads pairs"
        )
    for found in reader.read(task, options):
        yield from [found] if isinstance(found, BrokenInput) else _of_document(found, card)


def check_columns(card: ResolvedCard) -> None:
    """Raise UserError where a table's card does not name the columns of one of the layouts."""
    named = set(card.columns) - {"context"}
    if not any(named == set(layout) for layout in LAYOUTS[card.role]):
        allowed = ", or ".join(" and ".join(f"`{key}`" for key in layout) for layout in LAYOUTS[card.role])
        raise UserError(
            f"data card {card.name}: `columns` names {', '.join(sorted(card.columns)) or 'nothing'}; "
            f"{card.role} need {allowed}"
        )


def _rows(
    task: ReadTask, options: ParquetOptions | JsonlOptions
) -> Iterator[tuple[str, int, Mapping[str, Any] | BrokenInput]]:
    for name, path in task.files(options.files):
        if isinstance(options, ParquetOptions):
            try:
                batches = pq.ParquetFile(path).iter_batches(BATCH_ROWS)
                for number, row in numbered_rows(batches, f"{task.card}: {name}"):
                    yield name, number, row
            except (pa.ArrowException, OSError) as error:
                raise broken(path, "file", f"not a whole Parquet file ({error})") from None
        else:
            for number, line in checked_lines(path, task.handling.max_line_bytes):
                if isinstance(line, BrokenInput) or line.strip():
                    yield name, number, line if isinstance(line, BrokenInput) else json_row(path, number, line)


def _tried(name: str, row: Mapping[str, Any], card: ResolvedCard, place: str) -> Conversation | BrokenInput:
    try:
        return conversation_of(name, row, card, place)
    except BrokenInput as fault:
        return fault


def conversation_of(name: str, row: Mapping[str, Any], card: ResolvedCard, place: str) -> Conversation:
    """Return the conversation of a row; raise BrokenInput, with the place, where it is none."""
    if not isinstance(row, Mapping):
        raise BrokenInput(
            f"{place}: holds {type(row).__name__}, not an object with columns; correct the row", "document"
        )
    missing = [column for column in card.columns.values() if column not in row]
    if missing:
        held = ", ".join(sorted(row))
        raise BrokenInput(
            f"{place}: no column '{missing[0]}' (there is: {held}); correct the data card's `columns`", "document"
        )
    values = {key: row[column] for key, column in card.columns.items()}
    if card.role == "preferences":
        return _preference(name, values, place)
    if "messages" in values:
        return Conversation(name, checked(turns_of(values["messages"], place), place), None)
    turns = (*_asked(values, place), Turn("assistant", text_of(values["answer"], f"{place}: answer")))
    return Conversation(name, checked(turns, place), None)


def _asked(values: Mapping[str, Any], place: str) -> tuple[Turn, ...]:
    """Return the turns before the answer: a list of turns, or one text, with its context below it."""
    prompt = values["prompt"]
    if isinstance(prompt, list):
        return turns_of(prompt, f"{place}: prompt")
    context = text_of(values.get("context") or "", f"{place}: context")
    asked = text_of(prompt, f"{place}: prompt")
    return (Turn("user", f"{asked}\n\n{context}" if context else asked),)


def _preference(name: str, values: Mapping[str, Any], place: str) -> Conversation:
    """Return a preference, whose two sides are texts after the prompt or lists of turns that end differently."""
    sides = []
    for key in ("chosen", "rejected"):
        if isinstance(values[key], list):
            sides.append(checked(turns_of(values[key], f"{place}: {key}"), f"{place}: {key}"))
        elif "prompt" in values:
            answer = Turn("assistant", text_of(values[key], f"{place}: {key}"))
            sides.append(checked((*_asked(values, place), answer), f"{place}: {key}"))
        else:
            raise BrokenInput(f"{place}: {key} is text, so `columns` must name the `prompt` too; add it", "document")
    chosen, rejected = sides
    if chosen[:-1] != rejected[:-1]:
        raise BrokenInput(f"{place}: chosen and rejected differ before their last turn; correct the row", "document")
    return Conversation(name, chosen, rejected[-1].content)


def _of_document(found: Document, card: ResolvedCard) -> Iterator[Conversation]:
    """Yield the pairs of a document as questions and answers; for preferences the second pair is the worse one."""
    name, answers = f"{card.name}:{found.id}", [clean_pair(pair.source, pair.target) for pair in found.segments]
    if card.role == "preferences":
        if len(answers) != 2 or answers[0][0] != answers[1][0]:
            raise UserError(
                f"data card {card.name}: {found.id} has no worse answer to the same question; give the reader "
                "`worse_files`, or the card the role instructions"
            )
        yield Conversation(name, answers[0], answers[1][1].content)
        return
    for number, turns in enumerate(answers):
        yield Conversation(f"{name}#{number}" if len(answers) > 1 else name, turns, None)


def clean_pair(question: str, answer: str) -> tuple[Turn, Turn]:
    """Return the two turns of a question and its answer."""
    return Turn("user", text_of(question, "question")), Turn("assistant", text_of(answer, "answer"))
