"""What ingest_corpus sees of the configuration."""

from pydantic import NonNegativeInt

from pipeline.cards import CardNames, ResolvedCard
from pipeline.section import Section
from stages.shared.curation.settings import Rules
from stages.shared.duplicates.settings import DecontaminationSettings, DuplicateSettings
from stages.shared.mixture import MixtureSettings
from stages.shared.text_settings import LanguageSettings, ReadingSettings, SplitSettings

__all__ = ["CorpusSettings", "IngestCorpusSettings", "LanguageSettings"]


class CorpusSettings(Section):
    """Which texts are taken, and what becomes of them."""

    cards: CardNames
    """Of parallel ones the target side is taken."""
    reading: ReadingSettings
    rules: Rules
    """Of curation, in their order."""
    duplicates: DuplicateSettings
    decontamination: DecontaminationSettings
    mixture: MixtureSettings
    document_words: NonNegativeInt
    """Documents that have fewer words left are dropped."""
    split: SplitSettings


class IngestCorpusSettings(Section):
    """Settings of ingest_corpus."""

    language: LanguageSettings
    corpus: CorpusSettings
    cards: tuple[ResolvedCard, ...]
