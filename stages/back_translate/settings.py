"""What back_translate sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pipeline.section import Section
from stages.shared.text_lines import TextFile
from stages.shared.translation.settings import Languages, TranslationSettings


class NoBackTranslation(Section):
    """No system is trained on back-translated text."""

    method: Literal["none"]


class ModelBackTranslation(Section):
    """Clean text of the new language, translated into the base model's by a model of this run."""

    method: Literal["base", "hydra"]
    """`base`: the base model prompted; `hydra`: the Hydra model, writing with the base model's vocabulary."""
    lines: PositiveInt
    """Lines of the corpus' training text to translate, drawn by the seed."""
    seed: NonNegativeInt
    least_words: PositiveInt
    most_words: PositiveInt
    """Of a line."""

    @model_validator(mode="after")
    def _some(self) -> "ModelBackTranslation":
        if self.most_words < self.least_words:
            raise ValueError(f"most_words={self.most_words} is less than least_words={self.least_words}")
        return self


class FileBackTranslation(Section):
    """Clean text and its translations by whatever system, in two files whose lines belong together."""

    method: Literal["file"]
    source: TextFile
    """The translations, in the base model's language."""
    target: TextFile
    """The clean text."""


BackTranslationSettings = Annotated[
    NoBackTranslation | ModelBackTranslation | FileBackTranslation, Field(discriminator="method")
]


class BackTranslateSettings(Section):
    """What back_translate sees."""

    back_translation: ModelBackTranslation | FileBackTranslation
    translation: TranslationSettings | None
    """How the model is asked, the languages exchanged; None for files."""
    languages: Languages
    """As the tuned system will translate."""
