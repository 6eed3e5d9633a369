"""What map_embeddings sees of the configuration."""

from pydantic import NonNegativeInt, model_validator

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

    def as_random(self) -> "MappingSettings":
        """Return the settings of the floor to compare with: random rows from the same seed, no options."""
        return MappingSettings(method="random", seed=self.seed, options={})


class MapEmbeddingsSettings(Section):
    """The settings of the stage."""

    mapping: MappingSettings
