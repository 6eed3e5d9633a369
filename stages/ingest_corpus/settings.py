"""What ingest_corpus sees of the configuration."""

from pydantic import NonNegativeInt, PositiveInt

from pipeline.cards import CardNames, ResolvedCard
from pipeline.section import Section
from stages.ingest_corpus.decontamination import DecontaminationSettings
from stages.shared.curation.settings import Rules
from stages.shared.duplicates.settings import DuplicateSettings
from stages.shared.mixture import MixtureSettings
from stages.shared.readers.broken import OnBroken
from stages.shared.text_settings import LanguageSettings, SplitSettings

__all__ = ["CorpusSettings", "IngestCorpusSettings", "LanguageSettings"]


class ReadingSettings(Section):
    """How sources become shards of documents."""

    shard_bytes: PositiveInt
    """Text of one shard, the unit of parallel work."""
    catalogue_bytes: PositiveInt
    """A catalogue of messages is cut into documents of about this size; its group stays one."""
    max_line_bytes: PositiveInt
    """A longer line, row, page or record is broken input."""
    broken: OnBroken
    """Stop at broken input, or skip it and count it."""


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
