"""What map_embeddings sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.errors import UserError
from pipeline.section import Section
from stages.map_embeddings.catalogue import INIT_METHODS


class MappingSettings(Section):
    """Where the rows of the new tokens come from."""

    method: str
    """Name of a registered init method."""
    seed: NonNegativeInt
    """Of the rows drawn at random."""
    options: dict[str, bool | int | float | str]
    """The method's own options, by name."""

    @model_validator(mode="after")
    def _known(self) -> "MappingSettings":
        try:
            INIT_METHODS[self.method].check_options(self.method, self.options)
        except UserError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """What the method cannot do without: fields of MappingTask."""
        return INIT_METHODS[self.method].needs

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
        return MappingSettings(method="multivariate_normal", seed=self.seed, options={})


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
    ridge: PositiveFloat
    """Of the direction that stands in for a bias, a share of the hidden states' mean squared norm."""
    threads: PositiveInt
    """Of torch on a CPU; a setting, because the last bits of a sum depend on it."""


CalibrationSettings = Annotated[NoCalibration | UnigramCalibration, Field(discriminator="method")]


class MapEmbeddingsSettings(Section):
    """The settings of the stage."""

    mapping: MappingSettings
    calibration: CalibrationSettings
