"""`make cards`: every data card looked at as closely as can be without its files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.card_lock import FilesMissing, Lock, lock_keys
from pipeline.card_sources import FileSource, HubSource, UrlSource
from pipeline.cards import CARDS, Card, ResolvedCard, load_card, resolve_card, unlocked
from pipeline.errors import UserError

SECTIONS = ("Description", "Source", "Known problems", "Citation")
SOURCE_CODE = "en"
"""Of the base models; where a card has no other language, it is read against another one."""


class CheckedCard(NamedTuple):
    """A sound card and what of it is pinned."""

    card: Card
    pinned: str


def check_cards(lock: Lock, folder: Path = CARDS) -> list[CheckedCard]:
    """Return all cards of a folder, sorted by name; raise UserError with the problems of all of them together."""
    checked, problems = [], []
    for path in sorted(folder.glob("*.md")):
        try:
            card = load_card(path)
            resolved, here = _resolved(card, lock)
        except UserError as error:
            problems.append(str(error))
            continue
        faults = [*_reader_problems(path, card, resolved), *_prose_problems(path)]
        problems += faults
        if not faults:
            checked.append(CheckedCard(card, pinned(resolved) if here else "not here"))
    if problems:
        raise UserError("\n".join(problems))
    return checked


def pinned(cards: Sequence[ResolvedCard]) -> str:
    """Return in a word or two what pins a card's files, given the card for each of its languages."""
    source = cards[0].source
    if isinstance(source, HubSource):
        return "by commit"
    if isinstance(source, UrlSource):
        return "by sha256"
    if isinstance(source, FileSource):
        return "by content"
    keys = {key for card in cards for key in lock_keys(card.source)}
    missing = {key for card in cards for key in unlocked(card)}
    return "yes" if not missing else f"{len(keys) - len(missing)} of {len(keys)} files"


def _resolved(card: Card, lock: Mapping[str, dict[str, Any]]) -> tuple[list[ResolvedCard], bool]:
    """Return a card for each of its languages, and whether the files are here that users put there themselves."""
    try:
        return [resolve_card(card, *pair, lock) for pair in _pairs(card)], True
    except FilesMissing:
        return [resolve_card(card, *pair, lock, files=()) for pair in _pairs(card)], False


def _pairs(card: Card) -> Iterator[tuple[str, str]]:
    """Yield source and target code for each target language of a card; `mul` stands for itself."""
    targets = [code for code in card.language if code != SOURCE_CODE] or list(card.language)
    for code in targets:
        yield ("mul" if code == SOURCE_CODE else SOURCE_CODE), code


def _reader_problems(path: Path, card: Card, resolved: Sequence[ResolvedCard]) -> Iterator[str]:
    from stages.shared.readers.catalogue import check_reader  # reads nothing, but imports what readers need

    found: dict[str, None] = {}
    for one in resolved:
        try:
            check_reader(one)
        except UserError as error:
            found[str(error).replace(f"data card {card.name}", f"data card {path}", 1)] = None
    yield from found


def _prose_problems(path: Path) -> Iterator[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    for section in SECTIONS:
        if f"## {section}" not in lines:
            yield f"data card {path} has no section `## {section}`; people need it to judge the source: write it"
