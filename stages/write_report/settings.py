"""What write_report sees of the configuration."""

from pydantic import ConfigDict, PositiveInt

from pipeline.section import Section


class SampleSentence(Section):
    """One thought in both languages, to show how the two tokenizers cut it."""

    source: str
    target: str | None
    """In the target language; null where nobody translated it."""


class ReportSettings(Section):
    """What the report shows."""

    sample_sentence: SampleSentence
    aligned_words: PositiveInt
    """How many of the best-aligned words are listed."""
    listed_tokens: PositiveInt
    """How many of the new tokens the searchable table holds, those with the lowest ids."""


class ReportLanguage(Section):
    """The part of the language section that the report names; it looks at no other."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)

    name: str
    english_name: str
    code: str
    source_code: str


class WriteReportSettings(Section):
    """What write_report sees."""

    language: ReportLanguage
    report: ReportSettings
    systems: tuple[str, ...]
    """Evaluated systems in the order of the table; `evaluation_<system>` is the input of each."""
    base_model_name: str
