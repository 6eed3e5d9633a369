"""What align_tokens sees of the configuration."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pipeline.section import LocalPath, Section, with_sha256


class FastAlignSettings(Section):
    """fast_align over the training pairs: IBM Model 1, one direction."""

    method: Literal["fast_align"]
    iterations: Annotated[int, Field(ge=3)]
    """fast_align's -I. The expected counts are those of the last but one, as in the original."""
    beam_threshold: Annotated[float, Field(le=-1)]
    """A pair is left out where log P(target | source) < -beam_threshold x that of the source unit's best; -4 is
    fast_align's own, -1e9 keeps every pair."""
    table_count: Annotated[float, Field(ge=0)]
    """Pairs with a smaller expected count are not written."""
    min_count: PositiveInt
    """Smallest count of a pair that the coverage figures take for evidence."""
    examples: NonNegativeInt
    """How many of the best-aligned words are listed."""


class TableSettings(Section):
    """A table that exists already, in fast_align's format."""

    method: Literal["table"]
    path: LocalPath
    """The table: source unit, target unit, log-probability, count; tab-separated, UTF-8."""
    sha256: str
    """Of the file, taken from it when the run is planned (null in the YAML): another table makes another run."""
    min_count: PositiveInt
    """Smallest count of a pair that the coverage figures take for evidence."""
    examples: NonNegativeInt
    """How many of the best-aligned words are listed."""

    @model_validator(mode="before")
    @classmethod
    def _fingerprint(cls, values: Any) -> Any:
        found = with_sha256(values, "path", "alignment=table needs the table: alignment.path=FILE.tsv", Path.cwd())
        return {**found, "path": Path.cwd() / found["path"]}  # the worker's folder may be another


AlignmentSettings = Annotated[FastAlignSettings | TableSettings, Field(discriminator="method")]


class AlignTokensSettings(Section):
    """The settings of the stage."""

    alignment: AlignmentSettings
