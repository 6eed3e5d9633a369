"""Settings of text that corpus and bitext share."""

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from pipeline.section import Section
from stages.shared.readers.broken import OnBroken

Share = Annotated[float, Field(ge=0, le=1)]


class LanguageSettings(Section):
    """Facts about the target language."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
    """Name of its file in conf/language/ and of its folder of artifacts."""
    english_name: str
    code: str
    """ISO 639-1 where there is one, else 639-3, as data cards spell it."""
    script: Annotated[str, Field(pattern="^[A-Z][a-z]{3}$")]
    """ISO 15924."""
    source_code: str
    """The base model's language."""


class SplitSettings(Section):
    """The one split into train, validation and test, by a hash of seed and group."""

    seed: int
    validation_share: Share
    """Of the groups. Groups differ in size, so that the share of the text is another."""
    test_share: Share

    @model_validator(mode="after")
    def _leave_training(self) -> "SplitSettings":
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share together leave nothing for training; lower them")
        return self


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


class CleaningSettings(Section):
    """What a line of a pair has to be like to stay."""

    script_share: Share
    """Least share of a line's letters that are of the language's script."""
    language_letters: PositiveInt
    """Only lines and documents with so many letters are judged by language identification."""
    language_threshold: Share
    """What is judged to be of another language with at least this probability is dropped."""
