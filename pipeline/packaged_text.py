"""What text the packaged cards hold for each language: measured once, committed, and shown by `make languages`."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from pipeline import store
from pipeline.card_lock import load_lock
from pipeline.card_sources import DebianSource
from pipeline.cards import CARDS, ResolvedCard, load_card, resolve_card
from pipeline.errors import UserError
from pipeline.section import Section
from pipeline.settings import Config
from pipeline.sources import LOCK

MEASURED = CARDS / "packaged_text.json"
KINDS = ("corpus", "bitext", "dictionaries")


class Measure(Section):
    """What one card holds for one language: distinct lines of the target side that do not repeat their source."""

    fingerprint: str
    """First digits of that of the resolved card: with other files, what was measured no longer holds."""
    date: str
    words: int
    bytes: int
    pairs: int


Measures = dict[str, dict[str, Measure]]
"""By name of the language, and name of the card."""


class PackagedText(NamedTuple):
    """What a language's file names, in sum over its cards; a line that two cards hold counts twice."""

    words: int
    bytes: int
    pairs: int
    dictionary_pairs: int
    unmeasured: tuple[str, ...]
    """Cards that were never measured, or with other files."""


def load_measures(path: Path = MEASURED) -> Measures:
    """Return the committed figures; none where there is no file. Raises UserError for a broken one."""
    try:
        return TypeAdapter(Measures).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, ValidationError):
        raise UserError(f"{path} is not what `make languages MEASURE=1` writes; delete it and run that again") from None


def packaged_text(config: Config, measures: Measures) -> PackagedText:
    """Return what a language's packaged cards hold, out of the committed figures."""
    resolved, known = packaged_cards(config), measures.get(config.language.name, {})
    current = {name: known[name] for name, card in resolved.items() if _holds(known.get(name), card)}

    def total(kind: str, field: str) -> int:
        return sum(getattr(current[name], field) for name in getattr(config.cards["packaged"], kind) if name in current)

    return PackagedText(
        words=total("corpus", "words"),
        bytes=total("corpus", "bytes"),
        pairs=total("bitext", "pairs"),
        dictionary_pairs=total("dictionaries", "pairs"),
        unmeasured=tuple(name for name in resolved if name not in current),
    )


def packaged_cards(config: Config) -> dict[str, ResolvedCard]:
    """Return the cards that a language's file names under `packaged`, resolved with the committed lock.

    A withdrawn card is none of them, whatever the file says.
    """
    packaged, language, lock = config.cards["packaged"], config.language, load_lock(LOCK)
    names = dict.fromkeys(name for kind in KINDS for name in getattr(packaged, kind))
    cards = (load_card(CARDS / f"{name}.md") for name in names)
    usable = (card for card in cards if not card.withdrawn)
    return {card.name: resolve_card(card, language.source_code, language.code, lock) for card in usable}


def measure(configs: Iterable[Config], path: Path = MEASURED) -> int:
    """Fetch and read what was not measured yet or has changed, write the figures, and return how many cards were read.

    Written after each language, so that an interrupted measurement goes on where it was.
    """
    measures = load_measures(path)
    waiting = [(config, _unmeasured(config, measures)) for config in configs]
    _fetch_packages(waiting)
    for config, cards in waiting:
        name = config.language.name
        fresh = dict(_measured(config, cards))
        known = measures.get(name, {})
        measures[name] = {card: fresh.get(card) or known[card] for card in sorted(packaged_cards(config))}
        _write({language: measures[language] for language in sorted(measures)}, path)
    return sum(len(cards) for _, cards in waiting)


def _unmeasured(config: Config, measures: Measures) -> list[ResolvedCard]:
    known = measures.get(config.language.name, {})
    return [card for name, card in packaged_cards(config).items() if not _holds(known.get(name), card)]


def _fetch_packages(waiting: Sequence[tuple[Config, Sequence[ResolvedCard]]]) -> None:
    """Fetch Debian's packages for all languages together: each fetch reads the mirror's whole index."""
    from stages.shared.sources.fetch import fetch_files

    debian = [card for _, cards in waiting for card in cards if isinstance(card.source, DebianSource)]
    files = {file.key: file for card in debian for file in card.files}
    if files:
        execution = waiting[0][0].execution()
        source = DebianSource(kind="debian", packages=tuple(key.removeprefix("debian/") for key in files))
        fetch_files(source, tuple(files.values()), execution.downloads, execution.debian_mirror)


def _measured(config: Config, cards: Iterable[ResolvedCard]) -> Iterator[tuple[str, Measure]]:
    from stages.shared.card_documents import card_documents
    from stages.shared.readers.left_out import LeftOut
    from stages.shared.text_volume import volume

    execution, size = config.execution(), config.corpus.reading.catalogue_bytes
    for card in cards:
        print(f"{config.language.name}: {card.name}", file=sys.stderr)
        left_out = LeftOut()
        found = volume(card_documents(card, execution, size, left_out))
        for note in left_out.lines():
            print(f"note: {note}", file=sys.stderr)
        today = datetime.now(UTC).date().isoformat()
        yield card.name, Measure(fingerprint=_short(card), date=today, **found._asdict())


def _holds(measured: Measure | None, card: ResolvedCard) -> bool:
    return measured is not None and measured.fingerprint == _short(card)


def _short(card: ResolvedCard) -> str:
    return store.fingerprint(card.identity())[: store.SHORT]


def _write(measures: Mapping[str, Mapping[str, Measure]], path: Path) -> None:
    values: dict[str, Any] = {
        language: {name: one.model_dump() for name, one in cards.items()} for language, cards in measures.items()
    }
    store.write_json(path, values)
