"""The base class of every config section."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer, SerializationInfo

IDENTITY = "identity"


def _place(path: Path, info: SerializationInfo) -> str | None:
    return None if info.context == IDENTITY else str(path)


LocalPath = Annotated[Path, PlainSerializer(_place, when_used="json")]
"""A place on this machine: no part of the recipe, whose section must hold a hash of the content beside it."""


class Section(BaseModel):
    """Part of the configuration: immutable, and an unknown key is an error.

    Fields have no defaults: a value stands in one place only, the YAML file of its group.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,  # JSON, in which everything is hashed, has no word for them
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    def identity(self) -> dict[str, Any]:
        """Return what is hashed, as JSON values: everything but the places of local files."""
        return self.model_dump(mode="json", context=IDENTITY)
