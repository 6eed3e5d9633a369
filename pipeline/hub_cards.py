"""Large datasets on the Hugging Face hub, of which only a part is fetched."""

from collections.abc import Iterable

from pydantic import PositiveInt

from pipeline.card_sources import HubSource
from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from pipeline.registry import unknown
from pipeline.section import Section

PACKED = ("", ".gz", ".zst", ".bz2", ".xz")
PARTIAL = (".parquet", *(f".{kind}{packed}" for kind in ("jsonl", "json", "txt", "tsv") for packed in PACKED))
"""Endings of files whose beginning can be read alone: tables and lines."""


class HubSettings(Section):
    """How much is fetched of large datasets."""

    first_bytes: dict[str, PositiveInt]
    """By data card: only the beginnings of its files, of so many bytes unpacked, are fetched, by ranges. Tokens are
    `tokens` times the bytes that one has. Of what is not named the files are fetched whole."""

    def check(self, read: Iterable[str]) -> None:
        """Raise UserError, all problems together, for cards that are not among those whose text the config reads."""
        names = list(dict.fromkeys(read))
        problems = [
            f"hub.first_bytes: {unknown('data card of the text', name, names)}"
            for name in self.first_bytes
            if name not in names
        ]
        if problems:
            raise UserError("\n".join(problems))

    def shortened(self, cards: Iterable[ResolvedCard]) -> tuple[ResolvedCard, ...]:
        """Return the cards, those named with so many bytes of their files and no more: another recipe.

        Raises UserError, all problems together, for a card whose files cannot be read in part.
        """
        cards = tuple(cards)
        problems = [problem for card in cards if card.name in self.first_bytes for problem in _whole(card)]
        if problems:
            raise UserError("\n".join(problems))
        return tuple(self._shortened(card) for card in cards)

    def _shortened(self, card: ResolvedCard) -> ResolvedCard:
        if card.name not in self.first_bytes:
            return card
        source = card.source.model_copy(update={"first_bytes": self.first_bytes[card.name]})
        return card.model_copy(update={"source": source})


def _whole(card: ResolvedCard) -> list[str]:
    """Return why a card can be read whole only."""
    if not isinstance(card.source, HubSource):
        return [f"hub.first_bytes.{card.name}: its source is of kind '{card.source.kind}'; only 'hub' is read in part"]
    return [
        f"hub.first_bytes.{card.name}: {glob} cannot be read in part, only names that end in {', '.join(PARTIAL)}; "
        "leave the card out of it to fetch its files whole"
        for glob in card.source.files
        if not glob.endswith(PARTIAL)
    ]
