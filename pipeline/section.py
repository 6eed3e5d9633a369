"""The base class of every config section."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer, SerializationInfo

from pipeline.store import file_sha256

IDENTITY = "identity"


def _place(path: Path, info: SerializationInfo) -> str | None:
    return None if info.context == IDENTITY else str(path)


def _estimate(value: float, info: SerializationInfo) -> float | None:
    return None if info.context == IDENTITY else value


LocalPath = Annotated[Path, PlainSerializer(_place, when_used="json")]
"""A place on this machine: no part of the recipe, whose section must hold a hash of the content beside it."""

Estimated = PlainSerializer(_estimate, when_used="json")
"""Marks a number that only plans are made with, `Annotated[int, Estimated]`: no part of the recipe, as it changes no
result."""


def with_sha256(
    values: Any, key: str, missing: str, root: Path, sha256: Callable[[Path], str] = file_sha256
) -> dict[str, Any]:
    """Return a section's values with `sha256`, that of the content at the `LocalPath` under `key`, made absolute.

    It is taken when a run is planned and checked when the worker, whose folder may be another, reads the section again.
    A relative path counts from `root`. Raises ValueError where there is no path (saying what is `missing`), nothing
    that can be read there, or something else than when it was planned.
    """
    place = values.get(key) if isinstance(values, Mapping) else None
    if place is None:
        raise ValueError(missing)
    if not isinstance(place, (str, Path)):
        raise ValueError(f"{key}={place!r} is no path")
    path = root / place
    try:
        found = sha256(path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise ValueError(f"{key}: {path} is not a file") from None
    except OSError as error:
        raise ValueError(f"{key}: {path} cannot be read: {error.strerror}") from None
    if values.get("sha256") not in (None, found):
        raise ValueError(f"{path} has changed since the run was planned (sha256 {found}); start it again")
    return {**values, key: str(path), "sha256": found}


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

    @property
    def libraries(self) -> tuple[str, ...]:
        """Distributions whose version shapes the output with these values, beside those that the stage names."""
        return ()

    def identity(self) -> dict[str, Any]:
        """Return what is hashed, as JSON values: everything but the places of local files and estimates."""
        return self.model_dump(mode="json", context=IDENTITY)
