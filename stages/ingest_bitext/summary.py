"""bitext.json: what was read, dropped and written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from stages.ingest_bitext.dropped import first_examples
from stages.ingest_bitext.measured import joined_lengths
from stages.ingest_bitext.settings import BitextSettings, IngestBitextSettings
from stages.ingest_bitext.sides import joined_counts
from stages.ingest_bitext.word_alignment import joined_scores
from stages.shared.identity import checked_identity
from stages.shared.split import SPLITS


class Found(NamedTuple):
    """What a shard's phases told of it."""

    card: str
    phases: tuple[Mapping[str, Any], ...]
    """Of reading, splitting, training and held-out pairs: what was dropped, with examples; of reading also the rest."""
    measured: Mapping[str, Any]


def summarise(settings: IngestBitextSettings, found: Sequence[Found], overlap: int) -> dict[str, Any]:
    """Return what bitext.json says of cards, splits and pairs; words and bytes are the target side's.

    Raises UserError where a card holds no pair or no training pair is left, RuntimeError where counts or ids do not add
    up or `overlap`, the training lines that hold something held out, is not 0.
    """
    sizes = {split: _total(one.measured["sizes"][split] for one in found) for split in SPLITS}
    if not sizes["train"]["pairs"]:
        names = ", ".join(card.name for card in settings.cards)
        raise UserError(
            f"the bitext has no training pairs: none of {names} stayed after cleaning. Check that the cards hold "
            f"{settings.language.english_name}, choose other cards, or give a table with alignment=table"
        )
    cards = [_card(card, [one for one in found if one.card == card.name]) for card in settings.cards]
    if overlap:
        raise RuntimeError(f"{overlap} training lines hold a held-out sentence, though they were looked for")
    return {
        "cards": cards,
        "splits": sizes,
        "overlap": overlap,
        "ids": _identity(cards, found),
        "lengths": joined_lengths(one.measured for one in found),
        "examples": first_examples(phase for one in found for phase in one.phases),
        **_where_on(settings.bitext, found),
    }


def _identity(cards: Sequence[Mapping[str, Any]], found: Sequence[Found]) -> dict[str, Any]:
    """Return how many pairs came in, were kept and dropped, and the sum of their ids; both must add up."""
    counts = {
        "input": sum(card["pairs"] for card in cards),
        "kept": sum(card["kept"] for card in cards),
        "dropped": sum(sum(card["dropped"].values()) for card in cards),
    }
    broken = sum(one.phases[0]["broken_ids"] for one in found)
    sums = {
        "input": sum(one.phases[0]["ids"] for one in found) + broken,
        "kept": sum(one.measured["ids"] for one in found),
        "dropped": sum(phase["dropped_ids"] for one in found for phase in one.phases) + broken,
    }
    return checked_identity("pairs", counts, sums)


def _where_on(bitext: BitextSettings, found: Sequence[Found]) -> dict[str, Any]:
    """Return what the rules on both sides found, and the pairs' scores of alignment; nothing of what is off."""
    told = dict[str, Any]()
    if bitext.rules:
        told["rules"] = joined_counts(one.phases[0]["rules"] for one in found)
    if bitext.word_alignment is not None:
        told["alignment"] = joined_scores((one.phases[1]["scores"] for one in found), bitext.word_alignment.threshold)
    return told


def _card(card: ResolvedCard, found: Sequence[Found]) -> dict[str, Any]:
    read = [one.phases[0] for one in found]
    pairs = sum(phase["pairs"] for phase in read)
    if not pairs:
        raise UserError(
            f"data card {card.name}: no pair in any of its files. If they are empty or cut off, delete them and fetch "
            "them again; else leave the card out of the language's `cards`"
        )
    broken = {name: sum(phase["broken"][name] for phase in read) for name in ("documents", "files")}
    size = _total(sizes for one in found for sizes in one.measured["sizes"].values())
    dropped = Counter[str]()
    for phase in (phase for one in found for phase in one.phases):
        dropped.update(phase["dropped"])
    if broken["documents"]:  # readers lose pairs one by one, or what is left of a file
        dropped["broken"] = broken["documents"]
        pairs += broken["documents"]
    if pairs != size["pairs"] + dropped.total():
        raise RuntimeError(
            f"pairs of {card.name}: {pairs} read, but {size['pairs']} kept and {dropped.total()} dropped"
        )
    return {
        "name": card.name,
        "licence": card.licence,
        "pairs": pairs,
        "kept": size["pairs"],
        "dropped": dict(sorted(dropped.items())),
        "words": size["words"],
        "bytes": size["bytes"],
        "broken": broken | {"examples": [example for phase in read for example in phase["broken"]["examples"]]},
    }


def _total(sizes: Any) -> dict[str, int]:
    added = Counter[str](pairs=0, words=0, bytes=0)
    for size in sizes:
        added.update(size)
    return dict(added)
