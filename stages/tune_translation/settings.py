"""What tune_translation sees of the configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline.section import Section
from stages.shared.translation.settings import Languages, MatchSettings

Beta = Annotated[float, Field(ge=0, lt=1)]


class ParallelTuningSettings(Section):
    """Fine-tuning on sentence pairs (ParFT): the same pairs in the same steps for every system; on others, as many."""

    tokens: PositiveInt
    """Budget, counted with the base model's tokenizer on prompt and translation, for whatever system: a new tokenizer
    needs fewer for the same text. Where the pairs do not suffice they come again, in another order."""
    longest: PositiveInt
    """Such tokens of one pair; longer ones are passed over."""
    least_words: PositiveInt
    """On each side; shorter strings of user interfaces say little."""
    step_pairs: PositiveInt
    """Pairs in one optimizer step."""
    seed: NonNegativeInt
    """Decides the order of the pairs, and dropout where the model has it."""
    learning_rate: NonNegativeFloat
    """Peak, for all weights but the tables."""
    embedding_learning_rate: NonNegativeFloat
    """Peak, for the input table and the head."""
    warmup_share: Annotated[float, Field(ge=0, le=1)]
    """Of the steps: over so many the learning rate rises, and then falls as a cosine to nothing."""
    betas: tuple[Beta, Beta]
    """AdamW's, of the first and the second moment."""
    weight_decay: NonNegativeFloat
    """Of the body's matrices."""
    max_grad_norm: PositiveFloat
    threads: PositiveInt
    """Threads of torch on a CPU; float sums depend on it."""
    precision: Literal["float32", "bfloat16"]
    """Of the matrix products; weights, sums and optimizer stay in float32."""


class TuneTranslationSettings(Section):
    """What tune_translation sees."""

    parallel_tuning: ParallelTuningSettings
    prompt: str
    """As for translating; the model learns to go on from it."""
    languages: Languages
    matching: MatchSettings | None
    """Matches in the prompts, out of `memory`; None for none."""

    def identity(self) -> dict[str, Any]:
        """Return what is hashed; no matches are not named."""
        return {name: value for name, value in super().identity().items() if name != "matching" or value}
