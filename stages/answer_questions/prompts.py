"""Questions to prompts whose parts are written in two vocabularies."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from stages.answer_questions.question_files import Question
from stages.answer_questions.settings import PromptPart
from stages.shared.hydra.processing import HydraProcessor, Segment
from stages.shared.translation.settings import Languages

BETWEEN = "\n\n"
"""Stands between an example's answer and the next prompt."""


@dataclass(frozen=True)
class Asking:
    """Makes prompts for one model; a plain model has one vocabulary for all parts."""

    processor: HydraProcessor
    parts: tuple[PromptPart, ...]
    languages: Languages

    def segments(self, question: Question, examples: Sequence[Question]) -> list[Segment]:
        """Return the prompt: the examples with their answers, and the question."""
        found: list[Segment] = []
        for example in examples:
            found += [*self._one(example), self.answer(example.answers[0])]
            found.append((self.languages.source.code, BETWEEN, self.special))
        return [*found, *self._one(question)]

    def answer(self, text: str) -> Segment:
        """Return an answer behind a prompt, in the target vocabulary."""
        space = "" if self.parts[-1].text[-1:].isspace() else " "
        return (self.languages.target.code, f"{space}{text}", False)

    def unsafe(self, question: Question, examples: Sequence[Question]) -> bool:
        """Tell whether a text names a special token, in a prompt that has such tokens itself."""
        texts = [text for one in (question, *examples) for text in (one.context, one.question, *one.answers)]
        return self.special and any(token in text for token in self._special_tokens for text in texts)

    @cached_property
    def special(self) -> bool:
        """Whether the prompt has names of special tokens, as a chat's has."""
        return any(token in part.text for token in self._special_tokens for part in self.parts)

    @cached_property
    def _special_tokens(self) -> tuple[str, ...]:
        codes = (self.languages.source.code, self.languages.target.code)
        names = {self.processor.vocabulary_of(code) for code in codes}
        return tuple(sorted({token for name in names for token in self.processor.special_tokens(name)}))

    def _one(self, question: Question) -> list[Segment]:
        values = {
            "context": question.context.strip(),
            "question": question.question.strip(),
            "source_language": self.languages.source.english_name,
            "target_language": self.languages.target.english_name,
        }
        codes = {"source": self.languages.source.code, "target": self.languages.target.code}
        return [(codes[part.language], part.text.format(**values), self.special) for part in self.parts]
