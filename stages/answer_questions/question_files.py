"""Questions out of files of several forms."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError
from stages.answer_questions.settings import BelebeleFiles, JsonLines, QuestionSet, SquadFiles
from stages.shared.text_lines import TextFile, text_lines

CHOICES = 4
"""Of a Belebele question."""


@dataclass(frozen=True)
class Question:
    """A question on a text."""

    id: str
    context: str
    """In the source language."""
    question: str
    """In the target language, as all that follows."""
    answers: tuple[str, ...]
    """Any of them is right; examples show the first."""
    choices: tuple[str, ...]
    """The right one is `answers[0]`; empty where the answer is to be written."""


def read_questions(settings: QuestionSet) -> list[Question]:
    """Return the questions of a set. Raises UserError where a file has another form, or two do not fit together."""
    if isinstance(settings, JsonLines):
        return [_question(settings.file, number, row) for number, row in _rows(settings.file)]
    if isinstance(settings, SquadFiles):
        return list(_squad(settings))
    return list(_belebele(settings))


def _rows(file: TextFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number, from 1, and the object of each line that is not empty."""
    for number, line in enumerate(text_lines(file), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{file.path}, line {number}: not JSON ({error.msg}, column {error.colno})") from None
        if not isinstance(row, dict):
            raise UserError(f"{file.path}, line {number}: a question is a JSON object with context, question, answers")
        yield number, row


def _question(file: TextFile, number: int, row: dict[str, Any]) -> Question:
    context, question = row.get("context"), row.get("question")
    answers, choices = row.get("answers"), row.get("choices", [])
    if not (isinstance(context, str) and isinstance(question, str)):
        raise UserError(f"{file.path}, line {number}: `context` and `question` must both be strings")
    if not (_strings(answers) and answers and _strings(choices)):
        raise UserError(f"{file.path}, line {number}: `answers` must be a list of strings, and `choices` too if given")
    if choices and (answers[0] not in choices or len(set(choices)) < max(2, len(choices))):
        raise UserError(
            f"{file.path}, line {number}: `choices` must be two or more different strings, the first of `answers` "
            f"({answers[0]!r}) among them"
        )
    return Question(str(row.get("id", number)), context, question, tuple(answers), tuple(choices))


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)


def _squad(settings: SquadFiles) -> Iterator[Question]:
    """Yield the questions that have an answer; SQuAD 2.0's others have none in the text."""
    contexts = {id_: context for id_, context, _ in _squad_rows(settings.contexts)}
    for id_, _, row in _squad_rows(settings.questions):
        if id_ not in contexts:
            raise UserError(
                f"{settings.contexts.path} has no question with the id {id_!r}, which {settings.questions.path} has: "
                "give two languages of one data set"
            )
        answers = tuple(dict.fromkeys(answer["text"].strip() for answer in row["answers"]))
        if answers and not row.get("is_impossible"):
            yield Question(id_, contexts[id_], row["question"], answers, ())


def _squad_rows(file: TextFile) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield id, context and entry of each question of a SQuAD file (Rajpurkar et al. 2016)."""
    try:
        articles = json.loads(file.path.read_text(encoding="utf-8-sig"))["data"]
        for article in articles:
            for paragraph in article["paragraphs"]:
                for row in paragraph["qas"]:
                    yield str(row["id"]), paragraph["context"], row
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file.path} is no JSON of SQuAD's form, data > paragraphs > context and qas ({error!r}); for JSON lines "
            "give kind: jsonl"
        ) from None


def _belebele(settings: BelebeleFiles) -> Iterator[Question]:
    """Yield Belebele's questions (Bandarkar et al. 2023); link, split and number identify one in every language."""
    contexts = {_belebele_id(settings.contexts, *row): row[1]["flores_passage"] for row in _rows(settings.contexts)}
    for number, row in _rows(settings.questions):
        id_ = _belebele_id(settings.questions, number, row)
        if id_ not in contexts:
            raise UserError(f"{settings.contexts.path} lacks the question {id_!r} of {settings.questions.path}")
        choices = tuple(str(row[f"mc_answer{place}"]) for place in range(1, CHOICES + 1))
        right = choices[int(row["correct_answer_num"]) - 1]
        yield Question(id_, contexts[id_], row["question"], (right,), choices)


def _belebele_id(file: TextFile, number: int, row: dict[str, Any]) -> str:
    needed = ("link", "question_number", "flores_passage", "question", "correct_answer_num", "mc_answer1")
    if missing := [name for name in needed if name not in row]:
        raise UserError(f"{file.path}, line {number}: no `{missing[0]}`, which every line of Belebele has")
    return f"{row['link']}#{row.get('split', '')}#{row['question_number']}"
