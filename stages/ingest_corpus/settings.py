"""What ingest_corpus sees of the configuration."""

from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pipeline.cards import CardNames, ResolvedCard
from pipeline.provenance import ROOT
from pipeline.section import LocalPath, Section, with_sha256
from stages.shared.curation.settings import Rules
from stages.shared.duplicates.settings import DuplicateSettings
from stages.shared.mixture import MixtureSettings
from stages.shared.text_settings import LanguageSettings, ReadingSettings, SplitSettings

__all__ = ["CorpusSettings", "IngestCorpusSettings", "LanguageSettings"]


class BenchmarkFile(Section):
    """A text file of a benchmark, an entry a line; .gz and .zst are unpacked."""

    path: LocalPath
    sha256: str
    """Of the file; filled in."""

    @model_validator(mode="before")
    @classmethod
    def _with_sha256(cls, values: Any) -> Any:
        return with_sha256(values, "path", "names no file; give path=FILE", ROOT)


class DecontaminationSettings(Section):
    """Training lines that overlap with a benchmark's line go: all its words, a sentence of it, 13 words in a row."""

    benchmarks: dict[str, BenchmarkFile]
    """By the benchmark's name."""
    least_words: Annotated[PositiveInt, Field(le=13)]
    """Sentences with fewer are no contamination: "Ja." is in every text."""


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
