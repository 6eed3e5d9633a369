"""What ingest_bitext sees of the configuration."""

from typing import Annotated

from pydantic import Field, PositiveInt

from pipeline.cards import ResolvedCard
from pipeline.section import Section
from stages.shared.text_settings import CleaningSettings, LanguageSettings


class BitextSettings(Section):
    """Which pairs are taken and how they are cleaned. The split is the corpus's."""

    cards: tuple[str, ...]
    """Names of files in data_cards/, parallel ones."""
    cleaning: CleaningSettings
    untranslated_words: PositiveInt
    """A pair of two equal sides with at least so many words was not translated; shorter ones may be names."""
    length_ratio: Annotated[float, Field(gt=1)]
    """Largest ratio between the sides' characters, for pairs whose longer side has more than 40."""


class IngestBitextSettings(Section):
    """Settings of ingest_bitext."""

    language: LanguageSettings
    bitext: BitextSettings
    cards: tuple[ResolvedCard, ...]
