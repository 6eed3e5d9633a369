"""What ingest_bitext sees of the configuration."""

from typing import Annotated, Any

from pydantic import Field, PositiveInt, field_validator

from pipeline.cards import CardNames, ResolvedCard
from pipeline.errors import UserError
from pipeline.section import Section
from stages.shared.curation.settings import RewritingRules
from stages.shared.duplicates.settings import DecontaminationSettings
from stages.shared.text_settings import CleaningSettings, LanguageSettings, ReadingSettings

RULE_LIBRARIES = ("ftfy", "phonenumbers", "python-stdnum")


class SideRepeats(Section):
    """How often one side may be there with different other sides; case, digits and punctuation do not count."""

    targets_per_source: PositiveInt | None
    """Later pairs with the same source go. null: any number."""
    sources_per_target: PositiveInt | None


class WordAlignmentSettings(Section):
    """Pairs whose words do not align go: see `lexicon.py`."""

    lexicon_pairs: PositiveInt
    """The lexicon is trained on so many pairs at most, chosen by a hash of their text. Bounds the memory."""
    min_count: PositiveInt
    """Rarer words are not judged: a word that is there once aligns with anything."""
    min_words: PositiveInt
    """A pair with fewer judged words on a side stays."""
    threshold: float
    """A pair goes where the mean score of its words is below this in both directions: 0 is chance, -1 two texts that
    have nothing to do with each other."""


class BitextSettings(Section):
    """Which pairs are taken and how they are cleaned. The split is the corpus's."""

    cards: CardNames
    """Parallel ones."""
    reading: ReadingSettings
    cleaning: CleaningSettings
    rules: RewritingRules
    """Of curation, on each side before pairs are judged. As in a corpus' rules: a mapping from name to settings."""
    placeholders: bool
    """Leave out pairs of which a side lacks a placeholder or mark-up that the other one has: `placeholders.py`."""
    untranslated_words: PositiveInt
    """A pair of two equal sides with at least so many words was not translated; shorter ones may be names."""
    source_language: bool
    """Leave out lines and documents whose source side is judged to be of another language than the base model's."""
    length_ratio: Annotated[float, Field(gt=1)]
    """Largest ratio between the sides' characters, for pairs whose longer side has more than 40."""
    side_repeats: SideRepeats
    word_alignment: WordAlignmentSettings | None


class IngestBitextSettings(Section):
    """Settings of ingest_bitext."""

    language: LanguageSettings
    bitext: BitextSettings
    cards: tuple[ResolvedCard, ...]
    decontamination: DecontaminationSettings
    """Training pairs go whose target side overlaps with a benchmark's text."""

    def identity(self) -> dict[str, Any]:
        """Return what is hashed; benchmarks that are not there and rules that are off change nothing: not named."""
        values = super().identity()
        if not self.decontamination.benchmarks:
            del values["decontamination"]
        for name in ("rules", "placeholders"):
            if not values["bitext"][name]:
                del values["bitext"][name]
        return values

    @property
    def libraries(self) -> tuple[str, ...]:
        """What the rules on both sides are made with."""
        return RULE_LIBRARIES if self.bitext.rules else ()

    @field_validator("cards")
    @classmethod
    def _parallel(cls, cards: tuple[ResolvedCard, ...]) -> tuple[ResolvedCard, ...]:
        """Refuse when planned what would else be found after the downloads; pydantic hands a UserError on as it is."""
        wrong = [card for card in cards if card.role != "parallel"]
        if wrong:
            raise UserError(
                "\n".join(
                    f"data card {card.name} is {card.role}; a bitext takes parallel ones: remove it from bitext.cards"
                    for card in wrong
                )
            )
        return cards
