"""What fetch_base_model sees of the configuration."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from pipeline.cards import Sha256
from pipeline.section import LocalPath, Section
from stages.fetch_base_model.model_files import wanted

ROOT = Path(__file__).resolve().parents[2]


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
    path: LocalPath
    """Absolute, or from the project's root."""
    sha256: Sha256
    """Of the names and contents of its files, taken from them when the run is planned (left out in the YAML)."""

    @model_validator(mode="before")
    @classmethod
    def _fingerprint(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("path") is None:
            raise ValueError("base_model.source.kind=folder needs base_model.source.path=FOLDER")
        folder = ROOT / values["path"]
        if not folder.is_dir():
            raise ValueError(f"base_model.source.path: there is no folder {folder}")
        found = hashlib.sha256()
        for name in wanted(path.name for path in folder.iterdir()):
            with (folder / name).open("rb") as file:
                found.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        if values.get("sha256") not in (None, found.hexdigest()):
            raise ValueError(f"{folder} has changed since the run was planned; start it again")
        return {**values, "sha256": found.hexdigest()}


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
