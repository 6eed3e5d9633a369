"""What evaluate_model sees of the configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from pipeline.section import Section
from stages.shared.decoding.settings import DecodingSettings


class ScoringSettings(Section):
    """Which held-out text is scored, and how; the same for every system."""

    split: Literal["train", "validation", "test"]
    bytes: PositiveInt
    """UTF-8 bytes of text wanted; documents are taken in a seeded order until there are at least so many."""
    document_bytes: PositiveInt
    """A longer document counts with its first lines only, so that the sample has many of them."""
    seed: int
    """Decides the order of the documents and the bootstrap."""
    window: Annotated[int, Field(ge=2)]
    """Tokens that the model sees at once, its BOS included; a model of fewer positions uses as many as it has."""
    batch_tokens: PositiveInt
    """Tokens in one forward pass; their logits (tokens x vocabulary x 4 bytes) bound the memory."""
    threads: PositiveInt
    """Threads of torch on a CPU; a setting, because the last bits of a sum depend on it."""
    precision: Literal["float32", "bfloat16"]
    """Type of the weights; the loss is always computed in float32 and summed in float64."""
    bootstrap_samples: PositiveInt
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Share of the bootstrap samples inside the interval."""


class GenerationSettings(Section):
    """Which texts each system continues, and how."""

    prompts: tuple[str, ...]
    """Beginnings in the target language; they stand in the language's file."""
    held_out_prompts: NonNegativeInt
    """Further prompts: the first words of so many documents of the sample."""
    held_out_words: PositiveInt
    """Words of such a prompt."""
    max_new_tokens: NonNegativeInt
    decoding: DecodingSettings


class EvaluateModelSettings(Section):
    """What evaluate_model sees."""

    scoring: ScoringSettings
    generation: GenerationSettings

    def identity(self) -> dict[str, Any]:
        """Return what is hashed; greedy decoding, once the only one, is not named."""
        found = super().identity()
        if self.generation.decoding.method == "greedy":
            del found["generation"]["decoding"]
        return found
