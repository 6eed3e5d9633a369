"""What ingest_bitext sees of the configuration."""

from typing import Annotated

from pydantic import Field, PositiveInt, field_validator

from pipeline.cards import CardNames, ResolvedCard
from pipeline.errors import UserError
from pipeline.section import Section
from stages.shared.text_settings import CleaningSettings, LanguageSettings


class BitextSettings(Section):
    """Which pairs are taken and how they are cleaned. The split is the corpus's."""

    cards: CardNames
    """Parallel ones."""
    cleaning: CleaningSettings
    untranslated_words: PositiveInt
    """A pair of two equal sides with at least so many words was not translated; shorter ones may be names."""
    source_language: bool
    """Leave out documents whose source side is judged to be of another language than the base model's."""
    length_ratio: Annotated[float, Field(gt=1)]
    """Largest ratio between the sides' characters, for pairs whose longer side has more than 40."""


class IngestBitextSettings(Section):
    """Settings of ingest_bitext."""

    language: LanguageSettings
    bitext: BitextSettings
    cards: tuple[ResolvedCard, ...]

    @field_validator("cards")
    @classmethod
    def _parallel(cls, cards: tuple[ResolvedCard, ...]) -> tuple[ResolvedCard, ...]:
        """Refuse when planned what would else be found after the downloads; pydantic hands a UserError on as it is."""
        wrong = [card for card in cards if card.role != "parallel"]
        if wrong:
            raise UserError(
                "\n".join(
                    f"data card {card.name} is {card.role}; a bitext takes parallel ones: remove it from bitext.cards"
                    for card in wrong
                )
            )
        return cards
