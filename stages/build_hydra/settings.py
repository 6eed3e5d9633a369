"""What build_hydra sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.section import Section
from stages.shared.text_settings import LanguageSettings


class NoHeads(Section):
    """The adapted model alone."""

    method: Literal["none"]


class HydraHeads(Section):
    """The base model's vocabulary beside the new one, in one model."""

    method: Literal["hydra"]
    source_languages: Annotated[dict[str, str], Field(min_length=1)]
    """Languages that the base model reads with its own vocabulary, English names by code."""


HeadsSettings = Annotated[NoHeads | HydraHeads, Field(discriminator="method")]


class BuildHydraSettings(Section):
    """What build_hydra sees."""

    heads: HydraHeads
    language: LanguageSettings
