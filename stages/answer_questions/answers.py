"""One model's answers to one set of questions."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from stages.answer_questions.answer_scores import METRICS, score_answer
from stages.answer_questions.likelihood import choice_nll
from stages.answer_questions.prompts import Asking
from stages.answer_questions.question_sets import AskedSet
from stages.answer_questions.settings import FileQuestionAnswering
from stages.shared.decoding.generate import sequences_at_once
from stages.shared.hydra.processing import Segment
from stages.shared.translation.prompts import SPECIAL_TOKEN, TOO_LONG, Prompt, make_batches
from stages.shared.translation.translate import write_batch

WRITTEN, CHOSEN = tuple(METRICS), ("accuracy", "accuracy_per_byte")
COMPARED_BY = {False: "f1", True: "accuracy_per_byte"}
"""The metric that systems are compared by, for answers that are written and for those that are chosen."""


@dataclass(frozen=True)
class Answers:
    """What was answered, and how well."""

    texts: list[str]
    """Empty where there is none."""
    scores: dict[str, np.ndarray]
    """By metric and question, from 0 to 1, float64."""
    flags: Counter[str] = field(default_factory=Counter)
    """Questions by what became of them, as lines that are translated have it."""


@dataclass(frozen=True)
class Answerer:
    """A loaded model and how it is asked."""

    model: Any
    asking: Asking
    settings: FileQuestionAnswering

    def answer(self, asked: AskedSet, shots: int) -> Answers:
        """Answer all questions with so many examples before each: in words, or by choosing."""
        return self._choose(asked, shots) if asked.chosen_from else self._write(asked, shots)

    def _write(self, asked: AskedSet, shots: int) -> Answers:
        flags, prompts = Counter[str](), list[Prompt]()
        for number in range(len(asked.questions)):
            given = self._prompt(asked, number, shots, self.settings.new_tokens)
            if isinstance(given, str):
                flags[given] += 1
            else:
                prompts.append(Prompt(number, tuple(self.asking.processor.encode(given)), self.settings.new_tokens))
        texts = [""] * len(asked.questions)
        decoding = self.settings.decoding
        batches = make_batches(prompts, self.settings.batch_tokens, sequences_at_once(decoding))
        for place, batch in enumerate(tqdm(batches, desc=f"answering {asked.name}", unit="batch")):
            written = write_batch(self.model, self.asking.processor, batch, decoding, place)
            for prompt, candidates in zip(batch, written, strict=True):
                texts[prompt.number], found = candidates[0]
                flags.update(found)
        return Answers(texts, score_texts(texts, asked, self.settings.articles), flags)

    def _choose(self, asked: AskedSet, shots: int) -> Answers:
        flags, texts = Counter[str](), [""] * len(asked.questions)
        scores = {name: np.zeros(len(texts)) for name in CHOSEN}
        for number, question in enumerate(tqdm(asked.questions, desc=f"choosing in {asked.name}", unit="question")):
            given = self._prompt(asked, number, shots, self._longest_choice(question.choices))
            if isinstance(given, str):
                flags[given] += 1
                continue
            encode = self.asking.processor.encode
            behind = [encode([*given, self.asking.answer(choice)]) for choice in question.choices]
            nll = choice_nll(self.model, encode(given), behind)
            per_byte = nll / [len(choice.encode()) for choice in question.choices]
            for name, loss in zip(CHOSEN, (nll, per_byte), strict=True):
                scores[name][number] = question.choices[int(loss.argmin())] == question.answers[0]
            texts[number] = question.choices[int(per_byte.argmin())]
        return Answers(texts, scores, flags)

    def _prompt(self, asked: AskedSet, number: int, shots: int, room: int) -> list[Segment] | str:
        """Return a prompt, or the flag that says why there is none; `room` are tokens behind it."""
        question, examples = asked.questions[number], asked.examples[number][:shots]
        if self.asking.unsafe(question, examples):
            return SPECIAL_TOKEN
        segments = self.asking.segments(question, examples)
        positions = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        fits = positions is None or len(self.asking.processor.encode(segments)) + room <= positions
        return segments if fits else TOO_LONG

    def _longest_choice(self, choices: tuple[str, ...]) -> int:
        return max(len(self.asking.processor.encode([self.asking.answer(choice)])) for choice in choices)


def score_texts(texts: list[str], asked: AskedSet, articles: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the metrics of written answers."""
    rows = [score_answer(text, one.answers, articles) for text, one in zip(texts, asked.questions, strict=True)]
    return {name: np.array([row[name] for row in rows]) for name in WRITTEN}


def random_answers(asked: AskedSet, settings: FileQuestionAnswering) -> Answers:
    """Return for each question the answer of another, drawn without replacement; where there are choices, one of them.

    What a system gets for answering like the data set, whatever is asked. Raises ValueError for one question without
    choices: there is no other.
    """
    generator = np.random.default_rng(settings.seed)
    if asked.chosen_from:
        texts = [one.choices[generator.integers(len(one.choices))] for one in asked.questions]
        right = np.array([text == one.answers[0] for text, one in zip(texts, asked.questions, strict=True)], float)
        return Answers(texts, dict.fromkeys(CHOSEN, right))
    if len(asked.questions) < 2:
        raise ValueError(f"question set {asked.name!r} has one question; only with two there is another's answer")
    order = generator.permutation(len(asked.questions))
    texts = [""] * len(order)
    for place, number in enumerate(order):  # in a circle through all of them none gets its own
        texts[number] = asked.questions[order[(place + 1) % len(order)]].answers[0]
    return Answers(texts, score_texts(texts, asked, settings.articles))
