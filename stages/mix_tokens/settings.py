"""The replay section, and what mix_tokens sees of it."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.cards import CardNames
from pipeline.section import Section
from stages.shared.text_settings import LanguageSettings


class ReplaySettings(Section):
    """Text of the base model's own language among the training text, so that it is not forgotten."""

    share: Annotated[float, Field(ge=0, lt=1)]
    """Of the training's tokens."""
    cards: CardNames
    """Data cards of that text; all else is as for the corpus, the split too. Without a share of it, trainings are
    watched on its validation split where the mapping has no bitext."""
    language: LanguageSettings | None
    """That language as a target language would be described."""

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.share and not (self.cards and self.language):
            raise ValueError("a share of the training text needs cards and a language: give replay=packaged")
        return self


class MixTokensSettings(Section):
    """How much of the training text is of the base model's language."""

    share: Annotated[float, Field(gt=0, lt=1)]
    """Of the training tokens, in the tokens that the budget is stated in."""
