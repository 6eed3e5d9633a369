"""What compare_initializations sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from pipeline.section import Section


class Rival(Section):
    """One row of the leaderboard."""

    name: str
    """Of the mapping preset, or `source_finetuned`."""
    seeds: tuple[NonNegativeInt, ...]
    """Orders of the text that it was trained in."""
    made_by: str | None
    """Its method, aligner, calibration and warm-up, to be read; None for a baseline."""
    evidence: tuple[str, ...]
    """Inputs that its mapping needed, whose seconds are told beside its own."""


class ComparisonSettings(Section):
    """How sure a difference has to be."""

    bootstrap_samples: PositiveInt
    confidence: Annotated[float, Field(gt=0, lt=1)]
    seed: int


class CompareInitializationsSettings(Section):
    """The settings of the stage."""

    language_name: str
    base_model_name: str
    mode: Literal["embeddings", "all"]
    default: str
    """The mapping that users get without asking."""
    rivals: tuple[Rival, ...]
    left_out: dict[str, str]
    """Why a method that was asked for was not run."""
    comparison: ComparisonSettings
