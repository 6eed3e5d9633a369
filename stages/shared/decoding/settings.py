"""How the next tokens are chosen, as the configuration says it."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.section import Section

Share = Annotated[float, Field(gt=0, lt=1)]


class GreedySettings(Section):
    """The most probable token at each step."""

    method: Literal["greedy"]


class BeamSettings(Section):
    """Beam search: several beginnings at a time, the most probable whole text wins."""

    method: Literal["beam"]
    beams: Annotated[int, Field(ge=2)]
    length_penalty: float
    """Exponent of the length that a text's log-probability is divided by; above 0 favours longer texts."""
    n_best: PositiveInt
    """Texts returned for each prompt, best first."""

    @model_validator(mode="after")
    def _enough(self) -> "BeamSettings":
        if self.n_best > self.beams:
            raise ValueError(f"n_best={self.n_best} is more than beams={self.beams}; a beam gives one text at most")
        return self


class SampledSettings(Section):
    """What all methods have in common that draw tokens at random."""

    seed: NonNegativeInt
    """Of the draws; the same prompts in the same batches give the same texts."""


class TemperatureSettings(SampledSettings):
    """The model's own distribution, its logits divided by the temperature."""

    method: Literal["temperature"]
    temperature: PositiveFloat


class TopKSettings(SampledSettings):
    """The most probable tokens, so many (Fan, Lewis and Dauphin 2018)."""

    method: Literal["top_k"]
    temperature: PositiveFloat
    top_k: PositiveInt


class NucleusSettings(SampledSettings):
    """The fewest tokens that hold a share of the probability (Holtzman et al. 2020)."""

    method: Literal["nucleus"]
    temperature: PositiveFloat
    top_p: Share


class TypicalSettings(SampledSettings):
    """The tokens whose surprise is nearest to the expected one, as many as hold a share (Meister et al. 2023)."""

    method: Literal["typical"]
    temperature: PositiveFloat
    mass: Share


class MinPSettings(SampledSettings):
    """The tokens that have at least a share of the most probable one's probability (Nguyen et al. 2024)."""

    method: Literal["min_p"]
    temperature: PositiveFloat
    min_p: Share


class Mirostat2Settings(SampledSettings):
    """A limit of surprise, moved after each token so that the text's mean surprise stays near a goal."""

    method: Literal["mirostat2"]
    target_surprise: PositiveFloat
    """Bits a token; tau of Basu et al. (2021)."""
    learning_rate: PositiveFloat
    """How far the limit moves for each bit beside the goal; their eta."""


SamplingSettings = Annotated[
    TemperatureSettings | TopKSettings | NucleusSettings | TypicalSettings | MinPSettings | Mirostat2Settings,
    Field(discriminator="method"),
]


class MinimumBayesRiskSettings(Section):
    """Of several drawn texts the one that is most like all of them, by ChrF (Eikema and Aziz 2020)."""

    method: Literal["mbr"]
    candidates: Annotated[int, Field(ge=2)]
    """Texts drawn for each prompt; they are each other's references."""
    sampling: SamplingSettings
    """How they are drawn."""


DecodingSettings = Annotated[
    GreedySettings
    | BeamSettings
    | TemperatureSettings
    | TopKSettings
    | NucleusSettings
    | TypicalSettings
    | MinPSettings
    | Mirostat2Settings
    | MinimumBayesRiskSettings,
    Field(discriminator="method"),
]
