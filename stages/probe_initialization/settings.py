"""What probe_initialization sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.section import Section
from stages.shared.other_domain import OtherDomain
from stages.shared.training.settings import Beta


class ProbeSettings(Section):
    """A short training that is the same for every initialisation, measured on its way."""

    mode: Literal["embeddings", "all"]
    """What is trained: input table and output head only, or all weights."""
    steps: PositiveInt
    measured_steps: tuple[PositiveInt, ...]
    """Steps after which held-out text is scored, besides the beginning and the end."""
    step_tokens: PositiveInt
    """Tokens of the new tokenizer in one optimizer step; another tokenizer gets the same text in as many steps."""
    sequences: PositiveInt
    """Sequences that a step's tokens are cut into."""
    learning_rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    """Peaks for the embeddings and the head, from which each initialisation gets its best."""
    body_learning_rate_share: PositiveFloat
    """Of that rate, for all other weights where these are trained."""
    selection_steps: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Steps after which the rates are compared on validation text, and the worst goes; after the last of them only the
    best is left, and trained to the end."""
    selection_bytes: PositiveInt
    """Validation text for that, UTF-8 bytes."""
    warmup_steps: NonNegativeInt
    """Over so many the learning rate rises; then it stays, so that every step of the curve is one that a user might
    have stopped at."""
    betas: tuple[Beta, Beta]
    weight_decay: Annotated[float, Field(ge=0)]
    max_grad_norm: PositiveFloat
    threads: PositiveInt
    precision: Literal["float32", "bfloat16"]
    domain_bytes: PositiveInt
    """Held-out text of each domain, UTF-8 bytes."""
    document_bytes: PositiveInt
    """A longer document counts with its first lines only: the bootstrap needs many documents."""
    group_documents: PositiveInt
    """Most documents of one page, catalogue or book: intervals are made by drawing groups, and need many."""
    text_seed: int
    """Decides which documents of the held-out splits are scored."""
    batch_tokens: PositiveInt
    """Tokens in one forward pass of scoring."""

    @model_validator(mode="after")
    def _inside(self) -> "ProbeSettings":
        late = [step for step in self.measured_steps if step >= self.steps]
        if late or list(self.measured_steps) != sorted(set(self.measured_steps)):
            raise ValueError(
                f"measured_steps={list(self.measured_steps)} must rise and lie before the last of {self.steps} steps, "
                "which is measured in any case"
            )
        selection = list(self.selection_steps)
        if selection != sorted(set(selection)) or selection[-1] > self.steps:
            raise ValueError(f"selection_steps={selection} must rise and not pass the {self.steps} steps of the probe")
        return self

    @property
    def tokens(self) -> int:
        """Tokens of the new tokenizer that the whole probe trains on; one more is read."""
        return self.steps * self.step_tokens + 1

    @property
    def marks(self) -> tuple[int, ...]:
        """Steps after which the held-out text is scored."""
        return (0, *self.measured_steps, self.steps)


class ProbeInitializationSettings(Section):
    """The settings of the stage."""

    probe: ProbeSettings
    seed: NonNegativeInt
    """Of dropout, where the model has it; the order of the text comes with the packed tokens."""
    other_domain: OtherDomain | None
