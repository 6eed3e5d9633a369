"""What map_embeddings sees of the configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.errors import UserError
from pipeline.section import Section
from stages.map_embeddings.catalogue import INIT_METHODS

KEEP = "keep"


class MappingSettings(Section):
    """Where the rows of the new tokens come from."""

    method: str
    """Name of a registered init method; `keep` for the base model's own tokenizer and rows."""
    seed: NonNegativeInt
    """Of the rows drawn at random."""
    warmup: Literal["none", "distill"]
    """Whether the new rows are then trained for a moment, so that the model's hidden states are those of the source
    model (section `distillation`)."""
    options: dict[str, bool | int | float | str]
    """The method's own options, by name."""

    @model_validator(mode="after")
    def _known(self) -> "MappingSettings":
        if self.keeps_tokenizer:
            if self.options or self.warmup != "none":
                raise ValueError("mapping=keep makes no rows: it takes no options and no warm-up")
            return self
        try:
            INIT_METHODS[self.method].check_options(self.method, self.options)
        except UserError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def keeps_tokenizer(self) -> bool:
        """Whether the base model is trained as it is, without a new tokenizer."""
        return self.method == KEEP

    @property
    def needs(self) -> tuple[str, ...]:
        """What the method cannot do without: fields of MappingTask."""
        return () if self.keeps_tokenizer else INIT_METHODS[self.method].needs

    @property
    def needs_alignment(self) -> bool:
        """Whether the method reads the table of aligned words."""
        return "table" in self.needs

    @property
    def needs_bitext(self) -> bool:
        """Whether the method reads what is made of bitext: aligned words, or vectors of the source language's words."""
        return self.needs_alignment or "source_vectors" in self.needs

    def as_random(self) -> "MappingSettings":
        """Return the settings of the floor to compare with: random rows from the same seed, no options."""
        return MappingSettings(method="multivariate_normal", seed=self.seed, warmup="none", options={})


class NoCalibration(Section):
    """Rows stay as they were mapped."""

    method: Literal["none"]


class UnigramCalibration(Section):
    """Rows are shifted so that the untrained model predicts each token about as often as the text has it."""

    method: Literal["unigram"]
    tokens: PositiveInt
    """Running text that the base model reads with the mapped rows."""
    window: Annotated[int, Field(ge=2)]
    """Tokens that it reads at once."""
    max_bytes: PositiveInt
    """Training text in which tokens are counted; more is sampled evenly."""
    pseudo_count: PositiveFloat
    """Added to each token's count."""
    iterations: PositiveInt
    """Of the proportional fitting."""
    strength: Annotated[float, Field(gt=0, le=1)]
    """Share of the fitted bias that is used: frequencies of one domain are not quite those of the next."""
    prior_shares: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(min_length=1)]
    """How far rows lean on the mapping's prior, where it has one; of several the one with which the untrained model
    predicts the text best."""
    ridge: PositiveFloat
    """Of the direction that stands in for a bias, a share of the hidden states' mean squared norm."""
    threads: PositiveInt
    """Of torch on a CPU; a setting, because the last bits of a sum depend on it."""


CalibrationSettings = Annotated[NoCalibration | UnigramCalibration, Field(discriminator="method")]


class DistillationSettings(Section):
    """How `mapping.warmup=distill` trains new rows: towards the hidden states that the source model has after the same
    text, and the next token."""

    tokens: PositiveInt
    """Of the new tokenizer, read once."""
    measured_tokens: PositiveInt
    """Further text of the train split, on which the losses before and after are measured."""
    max_bytes: PositiveInt
    """Training text from which passages are drawn; more is sampled evenly."""
    window: Annotated[int, Field(ge=2)]
    """Longest passage in tokens of the new tokenizer, the start token included."""
    batch_tokens: PositiveInt
    """Passages of so many tokens, padding included, make one step."""
    layers: PositiveInt | None
    """Layers after which the states are compared, from the first; the model is run no further. null for all."""
    next_token_weight: NonNegativeFloat
    """Nats of next-token loss for one squared norm of the source's states; 0 for hidden states alone, and always where
    there are fewer layers."""
    learning_rate: PositiveFloat
    """AdamW's, at its highest; it rises and then falls to 0."""
    rise_share: Annotated[float, Field(ge=0, lt=1)]
    """Share of the steps in which the learning rate rises."""
    betas: tuple[float, float]
    """AdamW's."""
    seed: NonNegativeInt
    """Of the choice of passages and their order."""
    threads: PositiveInt
    """Of torch on a CPU; a setting, because the last bits of a sum depend on it."""

    @model_validator(mode="after")
    def _predicts_with_all_layers(self) -> "DistillationSettings":
        if self.layers is not None and self.next_token_weight > 0:
            raise ValueError(
                f"distillation.layers={self.layers} cannot go with next_token_weight={self.next_token_weight:g}: only "
                "the last layer predicts; give layers=null or next_token_weight=0"
            )
        return self


class MapEmbeddingsSettings(Section):
    """The settings of the stage."""

    mapping: MappingSettings
    calibration: CalibrationSettings
    distillation: DistillationSettings

    def identity(self) -> dict[str, Any]:
        """Return what is hashed; without a warm-up its settings change nothing, and are not named."""
        values = super().identity()
        if self.mapping.warmup == "none":
            del values["mapping"]["warmup"], values["distillation"]
        return values
