"""What back_translate sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pipeline.section import Estimated, Section
from stages.shared.text_lines import TextFile
from stages.shared.translation.settings import Languages, Prompt, TranslationSettings
from stages.shared.translator_name import TranslatorName


class NoBackTranslation(Section):
    """No system is trained on back-translated text."""

    method: Literal["none"]


class DrawnLines(Section):
    """Clean text of the new language that is to be translated into the base model's."""

    lines: PositiveInt
    """Lines of the corpus' training text to translate, drawn by the seed."""
    seed: NonNegativeInt
    least_words: PositiveInt
    most_words: PositiveInt
    """Of a line."""

    @model_validator(mode="after")
    def _some(self) -> "DrawnLines":
        if self.most_words < self.least_words:
            raise ValueError(f"most_words={self.most_words} is less than least_words={self.least_words}")
        return self


class ModelBackTranslation(DrawnLines):
    """A model of this run translates."""

    method: Literal["base", "hydra"]
    """`base`: the base model prompted; `hydra`: the Hydra model, writing with the base model's vocabulary."""


class CausalBackTranslation(DrawnLines):
    """Any causal model of Hugging Face translates, prompted."""

    method: Literal["causal"]
    model: TranslatorName
    revision: str
    """Of a model on the hub: a commit of 40 hex digits; a branch is resolved when it is fetched, the commit noted."""
    parameters: Annotated[PositiveInt, Estimated]
    """Of the model, roughly; plans tell its size and the time by them."""
    prompt: Prompt
    """As `translation.prompt`, in the model's own form."""


class Seq2SeqBackTranslation(DrawnLines):
    """A translation model of Hugging Face translates, such as Marian, NLLB, M2M100, mBART or T5."""

    method: Literal["seq2seq"]
    model: TranslatorName
    revision: str
    """Of a model on the hub: a commit of 40 hex digits; a branch is resolved when it is fetched, the commit noted."""
    parameters: Annotated[PositiveInt, Estimated]
    """Of the model, roughly; plans tell its size and the time by them."""
    from_code: str | None
    into_code: str | None
    """The model's own codes of the new language and of the base model's, such as `nld_Latn` and `eng_Latn`; null where
    it has none."""
    prefix: str
    """Stands before each line, where a model is asked so: `translate Dutch to English: `, `>>eng<< `."""
    beams: PositiveInt
    """Of beam search; 1 takes the most probable token at each step."""

    @model_validator(mode="after")
    def _both(self) -> "Seq2SeqBackTranslation":
        if (self.from_code is None) != (self.into_code is None):
            raise ValueError("from_code and into_code go together: give both, or neither")
        return self


class FileBackTranslation(Section):
    """Clean text and its translations by whatever system, in two files whose lines belong together."""

    method: Literal["file"]
    source: TextFile
    """The translations, in the base model's language."""
    target: TextFile
    """The clean text."""


FetchedBackTranslation = CausalBackTranslation | Seq2SeqBackTranslation
GivenBackTranslation = ModelBackTranslation | FetchedBackTranslation | FileBackTranslation
BackTranslationSettings = Annotated[NoBackTranslation | GivenBackTranslation, Field(discriminator="method")]


class BackTranslateSettings(Section):
    """What back_translate sees."""

    back_translation: Annotated[GivenBackTranslation, Field(discriminator="method")]
    translation: TranslationSettings | None
    """How the model is asked, the languages exchanged; None for files."""
    languages: Languages
    """As the tuned system will translate."""
