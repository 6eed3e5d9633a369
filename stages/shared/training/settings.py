"""How a model is trained, as the configuration says it."""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from pipeline.section import Section
from stages.shared.training.watching import SkippingSettings, WatchSettings

Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Course = Literal["cosine", "constant", "warmup_stable_decay"]
"""Of the learning rate, after its rise."""
SHARE_TOLERANCE = 1e-6


class PhaseSettings(Section):
    """A part of the training in which the same weights are trained."""

    name: str
    share: Annotated[float, Field(gt=0, le=1)]
    """Of the training's tokens; those of all phases make up 1."""
    train: Annotated[str, Field(pattern=r"^(embeddings|all|\d+x\d+)$")]
    """`embeddings`: input table and output head; `2x2`: besides these the first two and last two layers; `all`. With
    adapters, of the body those alone."""
    learning_rate: NonNegativeFloat
    """Peak, for all weights but the embeddings and the head."""
    embedding_learning_rate: NonNegativeFloat
    """Peak, for the embeddings and the head."""
    schedule: Course | None = None
    """Of this phase, over its own steps; null, as it is where nothing is said: it shares that of the whole training."""

    @property
    def outer_layers(self) -> int:
        """How many layers `2x2` asks for; 0 for `embeddings` and `all`, which ask for no number of them."""
        return sum(int(number) for number in self.train.split("x")) if "x" in self.train else 0

    def identity(self) -> dict[str, Any]:
        """Return what is hashed; a phase without a schedule of its own is hashed as before there were any."""
        return {name: value for name, value in super().identity().items() if name != "schedule" or value}


class NoAdapter(Section):
    """The body's weights themselves are trained."""

    method: Literal["none"]


class LoraAdapter(Section):
    """Small matrices beside the body's, trained in their place and added to them at the end (arXiv 2106.09685)."""

    method: Literal["lora"]
    r: PositiveInt
    """Rank of each adapter."""
    alpha: PositiveInt
    """What an adapter adds is scaled by alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Of what goes into an adapter, while training."""
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)]
    """Last part of the names of the linear layers that get one, for example `q_proj`."""
    embeddings: bool
    """Whether input table and head are trained whole; else they stay as they are."""


class AdamW(Section):
    """PyTorch's, fused."""

    method: Literal["adamw"]


class AdamW8bit(Section):
    """bitsandbytes', whose two moments are of 8 bits; on a GPU alone."""

    method: Literal["adamw_8bit"]


class Muon(Section):
    """Nearly orthogonal updates for the body's matrices, and AdamW for all else."""

    method: Literal["muon"]
    momentum: Beta
    """Of the gradients' moving mean; Nesterov's form is taken."""
    newton_schulz_steps: Annotated[PositiveInt, Field(lt=100)]
    """Iterations that make an update nearly orthogonal."""


AdapterSettings = Annotated[NoAdapter | LoraAdapter, Field(discriminator="method")]
OptimizerSettings = Annotated[AdamW | AdamW8bit | Muon, Field(discriminator="method")]


class TrainingSettings(Section):
    """How the model is trained."""

    tokens: PositiveInt
    """Tokens of the new tokenizer to pack and train on."""
    sequence_length: Annotated[int, Field(ge=2)]
    """Tokens in one sequence."""
    global_batch: PositiveInt
    """Sequences in one optimizer step."""
    seed: NonNegativeInt
    """Decides the order of the documents, and dropout where the model has it."""
    threads: PositiveInt
    """CPU threads of torch in each process; float sums depend on it."""
    precision: Literal["float32", "bfloat16"]
    """Of the matrix products; trained weights, sums and optimizer stay in float32."""
    attention: Literal["causal", "document"]
    """`document`: a token sees only what came before it in its own document."""
    max_grad_norm: PositiveFloat
    weight_decay: NonNegativeFloat
    """Of the matrices; embeddings, head, norms and biases are not decayed."""
    betas: tuple[Beta, Beta]
    """AdamW's, of the first and the second moment."""
    optimizer: OptimizerSettings
    """conf/optimizer/."""
    adapter: AdapterSettings
    """conf/adapter/."""
    objective: Literal["causal", "masked"]
    """`causal`: each token from those before it; `masked`, for encoders: some tokens from those around them."""
    warmup_share: Share
    """Of the optimizer steps: over so many the learning rate of newly trained weights rises."""
    schedule: Course
    """Over all steps, for the phases without one of their own."""
    decay_share: Share
    """Of the steps that a schedule spans, the last: where `warmup_stable_decay` falls, in a line."""
    min_learning_rate_share: Share
    """Of the peak: what the learning rate falls to."""
    validation_tokens: NonNegativeInt
    """Held-out tokens for the loss before and after training; 0 for none."""
    phases: Annotated[tuple[PhaseSettings, ...], Field(min_length=1)]
    skipping: SkippingSettings
    watch: WatchSettings | None
    """null: the losses of its own steps are all that is known of a training until it ends."""

    @field_validator("phases")
    @classmethod
    def _whole(cls, phases: tuple[PhaseSettings, ...]) -> tuple[PhaseSettings, ...]:
        total = sum(phase.share for phase in phases)
        if abs(total - 1) > SHARE_TOLERANCE:
            raise ValueError(f"the shares of the phases make up {total:g}; they must make up 1")
        return phases

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        problems = []
        frozen = isinstance(self.adapter, LoraAdapter) and not self.adapter.embeddings
        if frozen and any(phase.train == "embeddings" for phase in self.phases):
            problems.append("adapter.embeddings=false leaves a phase with `train: embeddings` nothing to train")
        if self.objective == "masked" and self.attention == "document":
            problems.append("attention=document is there for objective=causal alone; give attention=causal")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def schedules(self) -> tuple[Course, ...]:
        """The schedules that some phase follows, each once."""
        return tuple(dict.fromkeys(phase.schedule or self.schedule for phase in self.phases))

    @property
    def unshardable(self) -> str | None:
        """Why processes cannot share this model: what needs whole matrices, or was not tried in parts."""
        plain = {"adapter": "none", "optimizer": "adamw"}
        other = [f"training.{name}={chosen}" for name in plain if (chosen := getattr(self, name).method) != plain[name]]
        if self.objective != "causal":
            other.append(f"training.objective={self.objective}")
        if not other:
            return None
        return (
            f"cluster.sharding=full does not go with {', '.join(other)} yet; give cluster.sharding=none, or train a "
            "decoder with optimizer=adamw and adapter=none"
        )

    def identity(self) -> dict[str, Any]:
        """Return what is hashed; a choice that is the plain one is not named."""
        plain = {"optimizer": {"method": "adamw"}, "adapter": {"method": "none"}, "objective": "causal"}
        values = {**super().identity(), "phases": [phase.identity() for phase in self.phases]}
        return {name: value for name, value in values.items() if plain.get(name) != value}


def blocks(tokens: int, sequence_length: int) -> int:
    """Return the sequences that a row of tokens is cut into; the first token is only read, never predicted.

    >>> blocks(tokens=9, sequence_length=4), blocks(tokens=10, sequence_length=4)
    (2, 3)
    """
    return math.ceil((tokens - 1) / sequence_length)


def optimizer_steps(tokens: int, settings: TrainingSettings) -> int:
    """Return the optimizer steps of a training on so many tokens."""
    return math.ceil(blocks(tokens, settings.sequence_length) / settings.global_batch)
