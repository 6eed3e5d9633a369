"""The questions that every system is asked, and the examples before them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from stages.answer_questions.question_files import Question
from stages.shared.training_overlap import in_training_text


@dataclass(frozen=True)
class AskedSet:
    """Questions, the examples for each, and what was left out."""

    name: str
    questions: list[Question]
    examples: list[tuple[Question, ...]]
    """For each question as many as the most shots need; fewer shots take the first of them."""
    counts: dict[str, int]
    """Questions that came in, and those left out: `in_training_text`, `not_drawn`."""

    @property
    def chosen_from(self) -> bool:
        """Whether answers are chosen and not written."""
        return bool(self.questions[0].choices)

    @property
    def contexts(self) -> np.ndarray:
        """The number of each question's text, int64: questions on one text are resampled together."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(one.context, len(numbers)) for one in self.questions])

    def described(self) -> dict[str, object]:
        """Return what tells whether two evaluations asked the same."""
        digest = hashlib.sha256()
        for one in self.questions:
            for text in (one.context, one.question, *one.answers, *one.choices):
                digest.update(len(text.encode()).to_bytes(8, "big") + text.encode())
        return {"set": self.name, "questions": len(self.questions), "counts": self.counts, "sha256": digest.hexdigest()}


@dataclass(frozen=True)
class Drawing:
    """Which questions and examples are taken."""

    questions: int
    """At most so many."""
    shots: int
    """Examples for each."""
    seed: int
    least_words: int


def select(
    name: str,
    questions: list[Question],
    trained_on: Iterable[tuple[Path, str]],
    drawing: Drawing,
) -> AskedSet:
    """Return the questions to ask, in the file's order, none of which stands in training text.

    `trained_on` are tables and a column of target text in each. Raises UserError where no question is left, or where
    only some have choices.
    """
    if len({bool(one.choices) for one in questions}) > 1:
        raise UserError(f"question set '{name}': only some of its questions have choices; make two sets of it")
    known = in_training_text([one.question for one in questions], trained_on, drawing.least_words)
    unseen = [one for one, seen in zip(questions, known.shares | known.repeats, strict=True) if not seen]
    drawn = set(sorted(unseen, key=lambda one: _draw(drawing.seed, one))[: drawing.questions])
    asked = [one for one in unseen if one in drawn]
    counts = {"questions": len(questions), "in_training_text": len(questions) - len(unseen)}
    counts["not_drawn"] = len(unseen) - len(asked)
    if not asked:
        raise UserError(f"question set '{name}' has no question left: {counts}; give more, or leave the set out")
    examples = [examples_for(one, unseen, drawing.shots, drawing.seed) for one in asked]
    return AskedSet(name, asked, examples, counts)


def examples_for(question: Question, pool: Sequence[Question], shots: int, seed: int) -> tuple[Question, ...]:
    """Return examples on other texts, each on a text of its own, in an order that hashes of the seed decide.

    Raises UserError where there are too few texts.
    """
    found: dict[str, Question] = {}
    for other in sorted(pool, key=lambda one: _draw(seed, question, one)):
        if len(found) == shots:
            break
        if other.context != question.context:
            found.setdefault(other.context, other)
    if len(found) < shots:
        raise UserError(
            f"question_answering.shots asks for {shots} examples on other texts than a question's own, and there are "
            f"{len(found)}; lower it, or give questions on more texts"
        )
    return tuple(found.values())


def _draw(seed: int, *questions: Question) -> bytes:
    key = "\t".join((str(seed), *(f"{one.id}\t{one.question}" for one in questions)))
    return hashlib.blake2b(key.encode(), digest_size=8).digest()
