"""What ingest_instructions sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, ValidationInfo, field_validator

from pipeline.cards import CardNames, ResolvedCard
from pipeline.errors import UserError
from pipeline.section import Section
from stages.shared.duplicates.settings import DecontaminationSettings
from stages.shared.readers.broken import OnBroken
from stages.shared.text_settings import LanguageSettings


class ReadingSettings(Section):
    """How conversations are read and split."""

    validation_share: Annotated[float, Field(gt=0, lt=1)]
    """Of the first questions, which decide the split: the same one is never on both sides, of whichever card."""
    seed: NonNegativeInt
    on_broken: OnBroken
    """`stop` at the first row that is no conversation, or `skip` and count them."""


class InstructionsSettings(Section):
    """Which conversations a model is tuned on, and what of them is held out."""

    cards: CardNames
    """Data cards with the role instructions; with none there is no instruction tuning."""
    preference_cards: CardNames
    """Data cards with the role preferences."""
    reading: ReadingSettings


class IngestInstructionsSettings(Section):
    """Settings of ingest_instructions."""

    language: LanguageSettings
    role: Literal["instructions", "preferences"]
    """Of all its cards."""
    reading: ReadingSettings
    decontamination: DecontaminationSettings
    """Benchmarks that are in no row trained on; `least_words` holds for answers in the corpus' training text too."""
    cards: tuple[ResolvedCard, ...]

    @field_validator("cards")
    @classmethod
    def _conversations(cls, cards: tuple[ResolvedCard, ...], info: ValidationInfo) -> tuple[ResolvedCard, ...]:
        """Refuse when planned what would else be found after the downloads; pydantic hands a UserError on as it is."""
        role = info.data.get("role")
        key = "instructions.cards" if role == "instructions" else "instructions.preference_cards"
        wrong = [f"data card {card.name} is {card.role}, not {role}" for card in cards if card.role != role]
        if wrong:
            raise UserError("\n".join(f"{line}; remove it from {key}" for line in wrong))
        return cards
