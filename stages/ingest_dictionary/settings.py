"""What ingest_dictionary sees of the configuration."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.cards import CardNames, ResolvedCard
from pipeline.errors import UserError
from pipeline.section import LocalPath, Section, with_sha256
from stages.shared.text_settings import LanguageSettings


class CardDictionary(Section):
    """Dictionaries of data cards, all together."""

    kind: Literal["cards"]
    cards: CardNames
    """Those with the role dictionary; without any, no dictionary is made."""


class FileDictionary(Section):
    """A dictionary of the user's own."""

    kind: Literal["file"]
    path: LocalPath
    """Source word, target word, separated by a tab, UTF-8; .gz and .zst are unpacked. Further columns are not read."""
    sha256: str
    """Of the file, taken from it when the run is planned (null in the YAML)."""

    @model_validator(mode="before")
    @classmethod
    def _fingerprint(cls, values: Any) -> Any:
        missing = "dictionary=file needs the dictionary: dictionary.path=FILE.tsv"
        return with_sha256(values, "path", missing, Path.cwd())


DictionarySettings = Annotated[CardDictionary | FileDictionary, Field(discriminator="kind")]


class IngestDictionarySettings(Section):
    """Settings of ingest_dictionary."""

    language: LanguageSettings
    dictionary: DictionarySettings
    cards: tuple[ResolvedCard, ...]

    @field_validator("cards")
    @classmethod
    def _dictionaries(cls, cards: tuple[ResolvedCard, ...]) -> tuple[ResolvedCard, ...]:
        """Refuse when planned what would else be found after the downloads; pydantic hands a UserError on as it is."""
        wrong = [f"data card {card.name} is {card.role}" for card in cards if card.role != "dictionary"]
        if wrong:
            raise UserError("\n".join(f"{line}; remove it from dictionary.cards" for line in wrong))
        return cards
