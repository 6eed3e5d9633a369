"""What tune_instructions sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline.section import Section

ON_GPUS_ONLY = "cluster.sharding=full: a tuning shares its model among GPUs only; give cluster.sharding=none"

Share = Annotated[float, Field(ge=0, lt=1)]


class LoraSettings(Section):
    """Low-rank adapters (Hu et al. 2021), merged into the weights at the end.

    Beside them the rows of markers that a template added to the vocabulary are trained.
    """

    r: PositiveInt
    alpha: PositiveInt
    dropout: Annotated[float, Field(ge=0, lt=1)]
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the linear layers, for example `q_proj`; the head is none of them."""


class TrainerSettings(Section):
    """What both methods of tuning have in common."""

    method: str
    epochs: PositiveFloat
    """The last global batch is filled from the epoch after."""
    learning_rate: PositiveFloat
    """Peak."""
    global_batch: PositiveInt
    """Conversations, or pairs of answers, in one optimizer step."""
    max_length: Annotated[int, Field(ge=8)]
    """Tokens of a conversation; what is longer is cut at its end, and counted."""
    warmup_share: Share
    """Of the optimizer steps."""
    schedule: Literal["cosine", "linear", "constant_with_warmup"]
    weight_decay: NonNegativeFloat
    max_grad_norm: PositiveFloat
    seed: NonNegativeInt
    """Decides the order of the rows, and dropout."""
    threads: PositiveInt
    """CPU threads of torch; float sums depend on it."""
    precision: Literal["float32", "bfloat16"]
    """Of the matrix products; weights and optimizer stay in float32."""
    gradient_checkpointing: bool
    """Less memory for a fifth more time."""
    held_out_rows: PositiveInt
    """Most held-out rows that are measured, before and after."""
    lora: LoraSettings | None
    """null: all weights are trained."""


class SftSettings(TrainerSettings):
    """Supervised tuning on conversations, the loss on answers only."""

    method: Literal["sft"]
    chat_template: Literal["keep", "chatml"]
    """`keep`: the base model's own, which the new tokenizer took over; `chatml` gives a model its first, or another."""
    packing: bool
    """Several conversations in one sequence of max_length; trl keeps them apart by their positions."""


class DpoSettings(TrainerSettings):
    """Direct preference optimization (Rafailov et al. 2023) of a tuned model, which is the reference too."""

    method: Literal["dpo"]
    beta: PositiveFloat
    """How much it costs to leave the reference."""
    loss: Literal["sigmoid", "hinge", "ipo"]
    """`sigmoid` is the paper's."""


class AnswersSettings(Section):
    """Which held-out questions are answered for the report, greedily."""

    prompts: NonNegativeInt
    max_new_tokens: PositiveInt


class TuningSettings(Section):
    """How the adapted model becomes one that answers."""

    sft: SftSettings | None
    """null: no instruction tuning."""
    dpo: DpoSettings | None
    """Of the model that sft made; null: none."""
    answers: AnswersSettings


class TuneInstructionsSettings(Section):
    """Settings of tune_instructions."""

    tuning: Annotated[SftSettings | DpoSettings, Field(discriminator="method")]
    answers: AnswersSettings
