"""Settings of duplicates within and across sources."""

from pydantic import PositiveInt, model_validator

from pipeline.section import Section
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
