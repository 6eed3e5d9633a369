"""What ingest_corpus sees of the configuration."""

from pipeline.cards import CardNames, ResolvedCard
from pipeline.section import Section
from stages.shared.text_settings import CleaningSettings, LanguageSettings, SplitSettings

__all__ = ["CorpusSettings", "IngestCorpusSettings", "LanguageSettings"]


class CorpusSettings(Section):
    """Which texts are taken, how they are cleaned and split."""

    cards: CardNames
    """Of parallel ones the target side is taken."""
    cleaning: CleaningSettings
    split: SplitSettings


class IngestCorpusSettings(Section):
    """Settings of ingest_corpus."""

    language: LanguageSettings
    corpus: CorpusSettings
    cards: tuple[ResolvedCard, ...]
