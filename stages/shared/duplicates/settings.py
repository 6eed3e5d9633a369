"""Settings of duplicates within and across sources, and of benchmarks in them."""

from typing import Annotated, Any

from pydantic import Field, PositiveInt, model_validator

from pipeline.provenance import ROOT
from pipeline.section import LocalPath, Section, with_sha256
from stages.shared.text_settings import Share

MOST_NUMBERS = 4096
"""Of a signature; more would take longer than the text is worth."""


class MinHashSettings(Section):
    """Signatures of documents, and from when on two count as near duplicates.

    Documents with a Jaccard similarity s of their n-grams become candidates with a probability of
    1 - (1 - s ** rows) ** bands: 14 bands of 8 rows find 92 % at 0.80 and 99 % at 0.86, but also 56 % at 0.70 and
    5 % at 0.50; the threshold then decides. What it compares is estimated, with a standard deviation of
    sqrt(s * (1 - s) / (bands * rows)), 0.04 for the same numbers.
    """

    gram_words: PositiveInt
    """Words of an n-gram: without case, digits and punctuation. A shorter document is one n-gram."""
    bands: PositiveInt
    """More of them find more pairs; eight bytes of disk a document each."""
    rows: PositiveInt
    """Numbers of the signature in a band; two bytes of disk a document each. More make bands more specific."""
    threshold: Share
    """Least estimated similarity of near duplicates."""
    seed: int

    @model_validator(mode="after")
    def _limited(self) -> "MinHashSettings":
        if self.bands * self.rows > MOST_NUMBERS:
            raise ValueError(
                f"bands x rows is {self.bands * self.rows}; at most {MOST_NUMBERS} are allowed, choose less"
            )
        return self


class DuplicateSettings(Section):
    """What of a corpus is left out because it was there before: in the order of sources, files and documents."""

    line_repeats: PositiveInt | None
    """How often a line may occur in all documents together; what comes after is boilerplate. null: any number."""
    documents: bool
    """Whether documents whose lines are all the same as another's are left out."""
    near: MinHashSettings | None
    """Near duplicates are left out where this is given."""


class BenchmarkFile(Section):
    """A text file of a benchmark, an entry a line; .gz and .zst are unpacked."""

    path: LocalPath
    sha256: str
    """Of the file; filled in."""
    column: Annotated[PositiveInt | None, Field(exclude_if=lambda value: value is None)] = None
    """Of lines with tabs only this one, counted from 1."""
    keys: Annotated[tuple[str, ...], Field(exclude_if=lambda value: not value)] = ()
    """Of JSON, one document or one a line: every string below one of these keys is an entry."""

    @model_validator(mode="before")
    @classmethod
    def _with_sha256(cls, values: Any) -> Any:
        return with_sha256(values, "path", "names no file; give path=FILE", ROOT)

    @model_validator(mode="after")
    def _one_form(self) -> "BenchmarkFile":
        if self.column is not None and self.keys:
            raise ValueError("column and keys: a file is a table or JSON; give one of both")
        return self


class DecontaminationSettings(Section):
    """Training lines that overlap with a benchmark's line go: all its words, a sentence of it, 13 words in a row."""

    benchmarks: dict[str, BenchmarkFile]
    """By the benchmark's name."""
    least_words: Annotated[PositiveInt, Field(le=13)]
    """Sentences with fewer are no contamination: "Ja." is in every text."""
