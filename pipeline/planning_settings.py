"""Facts that plans are made with, as the configuration says them; never hashed."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pipeline.section import Section

Precision = Literal["float32", "bfloat16"]


class GpuFacts(Section):
    """What a kind of GPU can do, by its data sheet."""

    flops_per_second: dict[Precision, PositiveFloat]
    """Of dense matrices."""
    bytes_per_second: PositiveFloat
    """From its memory."""
    memory_gb: PositiveFloat


class PlanningSettings(Section):
    """Facts for estimates, never hashed."""

    source_token_ratio: PositiveFloat
    """Tokens that the source tokenizer needs for one token of the new one, roughly."""
    packed_tokens_per_s: PositiveFloat
    """Tokens that a machine packs in a second."""
    ingested_bytes_per_s: PositiveFloat
    """Of text, by one process or job."""
    conversations: PositiveInt
    """Of instruction tuning, as long as they are not ingested."""
    preferences: PositiveInt
    """The same of pairs of answers."""
    conversation_tokens: PositiveInt
    """Tokens of one, roughly."""
    tied_models: tuple[str, ...]
    """Base models by name whose output head is their input table; that of all others is a table of its own."""
    utilisation: Annotated[float, Field(gt=0, le=1)]
    """Share of a GPU's operations that a training's matrix products reach."""
    activation_bytes: dict[Precision, PositiveFloat]
    """Kept for the backward pass of one layer, for each token and hidden unit."""
    frozen_activation_bytes: dict[Precision, PositiveFloat]
    """The same where the layer's weights are frozen."""
    logits_chunk_bytes: PositiveInt
    """Float32 logits held at a time."""
    reserved_gb: NonNegativeFloat
    """Of a GPU's memory: CUDA's own, and gaps between tensors."""
    process_gb: NonNegativeFloat
    """Main memory of a training process beside the model and its checkpoints."""
    gpus: dict[str, GpuFacts]
    """By the names that cluster.gpu may have."""
