"""What train_vectors sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.section import Section


class FastTextSettings(Section):
    """fastText's knobs (Bojanowski et al. 2017)."""

    model: Literal["cbow", "skipgram"]
    dimension: PositiveInt
    epochs: PositiveInt
    min_count: PositiveInt
    """Tokens or words that occur less often get no vector of their own."""
    window: PositiveInt
    """Units to either side at most; the width is drawn anew at each place."""
    negative: PositiveInt
    """Draws of noise for each example."""
    learning_rate: PositiveFloat
    """At the beginning; falls to 0.0001."""
    subsample: Annotated[float, Field(ge=0)]
    """Units with a larger share of the text are left out at times; 0 keeps all."""
    ngram_min: PositiveInt
    """Characters of the shortest n-gram, the marks of beginning and end included."""
    ngram_max: PositiveInt
    buckets: PositiveInt
    """Rows that the n-grams share by a hash: 4 x dimension bytes each."""
    max_bytes: PositiveInt
    """UTF-8 bytes of text at most; of more an even sample of documents is read."""
    seed: NonNegativeInt

    @model_validator(mode="after")
    def _ngrams_in_order(self) -> "FastTextSettings":
        if self.ngram_min > self.ngram_max:
            raise ValueError(f"ngram_min={self.ngram_min} is above ngram_max={self.ngram_max}; lower it")
        return self


class VectorsSettings(Section):
    """Auxiliary vectors for the methods that compare tokens by them."""

    tokens: FastTextSettings
    """Of the new tokens, in text cut by the new tokenizer."""
    words: FastTextSettings
    """Of plain words, for the source and the target language alike."""


class TrainVectorsSettings(Section):
    """The settings of the stage."""

    unit: Literal["token", "word"]
    """What the text is cut into."""
    vectors: FastTextSettings
