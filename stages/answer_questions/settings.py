"""What answer_questions sees of the configuration."""

from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from pipeline.section import Section
from stages.shared.decoding.settings import DecodingSettings
from stages.shared.duplicates.settings import BenchmarkFile
from stages.shared.text_lines import TextFile
from stages.shared.text_settings import LanguageSettings
from stages.shared.translation.settings import Languages

SetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
SQUAD_TEXT = ("context", "question", "text")
BELEBELE_TEXT = ("flores_passage", "question", "mc_answer1", "mc_answer2", "mc_answer3", "mc_answer4")
"""Keys in the files below which there is text, not an id or a place."""
FIELDS = {"context", "question", "source_language", "target_language"}
MODELS = ("base", "adapted", "hydra")
"""Systems that answer, in the order of the table."""


class JsonLines(Section):
    """A question a line: `context`, `question`, `answers` (the best first) and, where there are any, `choices`."""

    kind: Literal["jsonl"]
    file: TextFile

    @property
    def source_text(self) -> BenchmarkFile:
        """What of it is in the source language, as a benchmark."""
        return BenchmarkFile(path=self.file.path, sha256=self.file.sha256, keys=("context",))

    @property
    def target_text(self) -> BenchmarkFile:
        """What of it is in the target language, as a benchmark."""
        return BenchmarkFile(path=self.file.path, sha256=self.file.sha256, keys=("question", "answers", "choices"))


class SquadFiles(Section):
    """JSON of SQuAD's form, such as XQuAD's and SQuAD-NL's: one file a language, the same ids in all of them."""

    kind: Literal["squad"]
    questions: TextFile
    """In the target language: questions and answers are taken from here, ..."""
    contexts: TextFile
    """... and in the source language, from here the paragraphs."""

    @property
    def source_text(self) -> BenchmarkFile:
        """Questions, answers and the paragraphs that hold them, in the source language, as a benchmark."""
        return BenchmarkFile(path=self.contexts.path, sha256=self.contexts.sha256, keys=SQUAD_TEXT)

    @property
    def target_text(self) -> BenchmarkFile:
        """The same in the target language."""
        return BenchmarkFile(path=self.questions.path, sha256=self.questions.sha256, keys=SQUAD_TEXT)


class BelebeleFiles(Section):
    """JSON lines of Belebele's form, one file a language: four choices a question."""

    kind: Literal["belebele"]
    questions: TextFile
    """In the target language: questions and choices are taken from here, ..."""
    contexts: TextFile
    """... and in the source language, from here the passages."""

    @property
    def source_text(self) -> BenchmarkFile:
        """Questions, choices and passages in the source language, as a benchmark."""
        return BenchmarkFile(path=self.contexts.path, sha256=self.contexts.sha256, keys=BELEBELE_TEXT)

    @property
    def target_text(self) -> BenchmarkFile:
        """The same in the target language."""
        return BenchmarkFile(path=self.questions.path, sha256=self.questions.sha256, keys=BELEBELE_TEXT)


QuestionSet = Annotated[JsonLines | SquadFiles | BelebeleFiles, Field(discriminator="kind")]


class PromptPart(Section):
    """A piece of the prompt, all of it in one vocabulary."""

    language: Literal["source", "target"]
    text: str
    """With {context}, {question}, {source_language} and {target_language}, the languages by their English names."""

    @field_validator("text")
    @classmethod
    def _fields(cls, text: str) -> str:
        try:
            found = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
        except ValueError as error:
            raise ValueError(f"{error}; a brace that is text is written twice") from None
        if found - FIELDS:
            raise ValueError(f"may have {', '.join('{' + name + '}' for name in sorted(FIELDS))}")
        return text

    @property
    def fields(self) -> set[str]:
        """Names of what is filled in."""
        return {name for _, name, _, _ in Formatter().parse(self.text) if name is not None}


class NoQuestionAnswering(Section):
    """No questions are asked."""

    method: Literal["none"]


class FileQuestionAnswering(Section):
    """Questions in the target language on texts in the source language, from files."""

    method: Literal["files"]
    sets: dict[SetName, QuestionSet]
    """By name. A set either has choices for every question, and is scored by their likelihood, or answers to write."""
    prompt: Annotated[tuple[PromptPart, ...], Field(min_length=1)]
    """What the model goes on from. Examples before it have the same form, with their answers behind it."""
    shots: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    """How many examples stand before the question; each number is a row of the table."""
    questions: PositiveInt
    """Of each set at most so many, drawn by the seed."""
    articles: tuple[str, ...]
    """Words that do not count when answers are compared, as SQuAD's `a`, `an`, `the`."""
    least_words: PositiveInt
    """A question that shares a sentence of so many words, or 13 words in a row, with training text is left out."""
    new_tokens: PositiveInt
    """Longest answer that is written."""
    batch_tokens: PositiveInt
    """Tokens in a batch, prompts and answers, padding included."""
    precision: Literal["float32", "bfloat16"]
    threads: PositiveInt
    """Threads of torch on a CPU; a setting, because the last bits of a sum depend on it."""
    decoding: DecodingSettings
    seed: NonNegativeInt
    """Decides which questions are drawn, the examples and the bootstrap."""
    bootstrap_samples: PositiveInt
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Share of the bootstrap samples inside the interval."""

    @field_validator("sets")
    @classmethod
    def _some(cls, sets: dict[str, QuestionSet]) -> dict[str, QuestionSet]:
        if not sets:
            raise ValueError(
                "names no questions; name a file: '+question_answering.sets.mine={kind: jsonl, file: {path: FILE}}', "
                "or choose question_answering=tests for a few of this repository"
            )
        return sets

    @model_validator(mode="after")
    def _asks(self) -> "FileQuestionAnswering":
        for name in ("context", "question"):
            if not any(name in part.fields for part in self.prompt):
                raise ValueError(f"prompt: no part has {{{name}}}; add it to one")
        if len(set(self.shots)) < len(self.shots):
            raise ValueError(f"shots={list(self.shots)}: a number stands there twice")
        return self


QuestionAnsweringSettings = Annotated[NoQuestionAnswering | FileQuestionAnswering, Field(discriminator="method")]


class AnswerQuestionsSettings(Section):
    """What answer_questions sees."""

    language: LanguageSettings
    languages: Languages
    question_answering: FileQuestionAnswering
    systems: tuple[str, ...]
    """Models in the order of the table; `system_<name>` is the input of each."""
