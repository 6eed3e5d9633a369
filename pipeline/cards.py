"""Data cards: where a corpus comes from, under which licence, and which files of it are pinned.

A card is a Hugging Face dataset card with one block of ours, `ingest`. The prose serves people; only what
`ResolvedCard` holds enters a recipe.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, Field, JsonValue, TypeAdapter, ValidationError

from pipeline.card_lock import FilesMissing, LockedFile, cached_path, lock_keys, locked_files
from pipeline.card_sources import READERS, FileSource, HubSource, Source
from pipeline.errors import UserError
from pipeline.provenance import ROOT
from pipeline.registry import unknown
from pipeline.section import Section

CARDS = ROOT / "data_cards"
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where PyYAML was built with libyaml
Given = TypeVar("Given")
Made = TypeVar("Made")

Role = Literal["parallel", "monolingual", "dictionary", "benchmark", "instructions", "preferences"]


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"named more than once: {', '.join(twice)}; name each card once")
    return names


CardNames = Annotated[tuple[str, ...], AfterValidator(_distinct)]
"""Names of files in data_cards/, each once."""


class Reader(Section):
    """How the files are read."""

    kind: str
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """The reader's own, with `{code}` and `{source_code}` where a path holds a language."""


class Ingest(Section):
    """The `ingest` block of a card."""

    role: Role
    source: Source
    reader: Reader
    pivot_reader: Reader | None = None
    """What reads pairs of two translations, where `reader` pairs every language with the card's first one only."""
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
    """Codes that the card covers, the source language's among them; `mul` for any. The first is that of message ids."""
    task_categories: tuple[str, ...] = ()
    withdrawn: Annotated[str, Field(min_length=1)] | None = None
    """Why the source must not be used any more; plans that name the card refuse."""
    ingest: Ingest

    def covers(self, code: str) -> bool:
        """Tell whether the card has text in a language."""
        return "mul" in self.language or code in self.language


class ResolvedCard(Section):
    """What a stage sees of a card for one language pair, and so what is hashed."""

    name: str
    role: Role
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
        values = yaml.load(head[1], Loader=YAML_LOADER)
    except yaml.YAMLError as error:
        raise UserError(f"data card {path}: the front matter is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"data card {path}: the front matter holds no keys")
    try:
        card = Card.model_validate({**values, "name": path.stem})
    except ValidationError as error:
        raise UserError("\n".join(_problem(path, problem) for problem in error.errors())) from None
    for name, reader in (("reader", card.ingest.reader), ("pivot_reader", card.ingest.pivot_reader)):
        if reader and reader.kind not in READERS:
            raise UserError(f"data card {path}: ingest.{name}.kind: {unknown('reader', reader.kind, READERS)}")
    return card


def load_cards(folder: Path = CARDS) -> dict[str, Card]:
    """Return all cards of a folder by name; raise UserError with the problems of all of them together."""
    return {card.name: card for card in _each(load_card, sorted(folder.glob("*.md")))}


def resolve_cards(
    names: Iterable[str], source_code: str, target_code: str, lock: Mapping[str, dict[str, Any]], folder: Path = CARDS
) -> tuple[ResolvedCard, ...]:
    """Return the named cards for one language pair, placeholders filled and files pinned by the lock.

    Raises UserError for all the cards that `usable_cards` refuses, else for all that lack their files or do not fit.
    """
    cards = usable_cards(names, target_code, folder)
    return _each(lambda card: resolve_card(card, source_code, target_code, lock), cards)


def usable_cards(names: Iterable[str], target_code: str, folder: Path = CARDS) -> tuple[Card, ...]:
    """Return the named cards.

    Raises UserError with one line a problem, all together: a card is not there, is faulty or withdrawn, or does not
    cover the language.
    """
    return _each(lambda name: _usable_card(name, target_code, folder), names)


def _each(make: Callable[[Given], Made], given: Iterable[Given]) -> tuple[Made, ...]:
    """Return what is made of each; raise UserError with the problems of all of them together."""
    made, problems = [], []
    for one in given:
        try:
            made.append(make(one))
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))
    return tuple(made)


def _usable_card(name: str, target_code: str, folder: Path) -> Card:
    path = folder / f"{name}.md"
    if not path.is_file():
        available = [other.stem for other in folder.glob("*.md")]
        raise UserError(f"{unknown('data card', name, available)} (in {folder.name}/)")
    card = load_card(path)
    if card.withdrawn:
        raise UserError(
            f"data card {name} is withdrawn: {card.withdrawn.rstrip('.')}. Leave it out of the language's `cards`, or "
            "of the corpus.cards, bitext.cards, dictionary.cards, replay.cards, pivots.cards, instructions.cards or "
            "instructions.preference_cards that name it; "
            f"`make trace SOURCE={name}` lists what was made from it"
        )
    _check_covered(card, target_code)
    return card


def resolve_card(
    card: Card,
    source_code: str,
    target_code: str,
    lock: Mapping[str, dict[str, Any]],
    files: tuple[LockedFile, ...] | None = None,
) -> ResolvedCard:
    """Return one card for one language pair, a withdrawn one too; raise UserError where it does not fit the pair.

    `files` stand in for those that the lock has, or this machine.
    """
    _check_covered(card, target_code)
    ingest = card.ingest

    def fill(value: Any, codes: Mapping[str, str]) -> Any:
        pair = {"{code}": codes.get(target_code, target_code), "{source_code}": codes.get(source_code, source_code)}
        return _fill(value, pair)

    paths = ingest.codes | ingest.path_codes
    try:
        source = TypeAdapter(Source).validate_python(fill(ingest.source.model_dump(mode="json"), ingest.codes))
        return ResolvedCard(
            name=card.name,
            role=ingest.role,
            licence=card.license_name or card.license,
            languages=(source_code, target_code),
            source=source,
            reader=Reader.model_validate(fill(_reader(card, source_code).model_dump(), paths)),
            columns=fill(ingest.columns, paths),
            files=locked_files(source, lock) if files is None else files,
        )
    except FilesMissing as error:
        raise FilesMissing(f"data card {card.name}: {error}") from None
    except ValidationError as error:  # the card was sound; its codes, filled in, or the lock's entry are not
        faults = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise UserError(
            f"data card {card.name}, for '{source_code}' and '{target_code}' and with its lock entries: {faults}"
        ) from None


def _check_covered(card: Card, target_code: str) -> None:
    if not card.covers(target_code):
        covered = ", ".join(card.language)
        raise UserError(
            f"data card {card.name} does not cover '{target_code}' (it covers {covered}). Leave it out of the "
            "language's `cards`, or add the code to its `language` if the source has it"
        )


def _reader(card: Card, source_code: str) -> Reader:
    """Return what reads the card's pairs with this source language; raise UserError where nothing does."""
    ingest = card.ingest
    if source_code == card.language[0]:
        return ingest.reader
    if ingest.pivot_reader is None and ingest.reader.kind == "gettext":
        raise UserError(
            f"data card {card.name} pairs translations with message ids, which are in '{card.language[0]}' and not in "
            f"'{source_code}'. Leave it out of that language's cards, or give it a `pivot_reader`"
        )
    return ingest.pivot_reader or ingest.reader


def unlocked(card: ResolvedCard) -> tuple[str, ...]:
    """Return the keys of a card that no lock knows yet."""
    known = {file.key for file in card.files}
    return tuple(key for key in lock_keys(card.source) if key not in known)


def missing_from_cache(cards: Iterable[ResolvedCard], downloads: Path) -> tuple[str, ...]:
    """Return the keys of files that are not locked yet or not in the cache with their full size, sorted.

    Of a hub dataset only the pin is looked for: a commit never needs a newer version.
    """
    missing: set[str] = set()
    for card in cards:
        missing.update(unlocked(card))
        if isinstance(card.source, (FileSource, HubSource)):
            continue
        for file in card.files:
            path = cached_path(downloads, file)
            if not path.is_file() or path.stat().st_size != file.size:
                missing.add(file.key)
    return tuple(sorted(missing))


def _fill(value: Any, pair: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for placeholder, code in pair.items():
            value = value.replace(placeholder, code)
        return value
    if isinstance(value, Path):
        return Path(_fill(str(value), pair))
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
