"""What each rule of curation may be told; the values stand in conf/curation/."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializeAsAny,
    model_validator,
)

from pipeline.errors import UserError
from pipeline.registry import Registry
from pipeline.section import LocalPath, Section, with_sha256
from stages.shared.text_settings import Share

ByLanguage = dict[str, tuple[str, ...]]
"""By the language's code; a language that is not there has none."""
ENGLISH = "en"
Placeholder = Annotated[str, Field(min_length=1)]


def with_english(given: ByLanguage, code: str) -> tuple[str, ...]:
    """Return what is given for English, which holds for every language, and what is for the one with a code."""
    return tuple(dict.fromkeys((*given.get(ENGLISH, ()), *given.get(code, ()))))


class MojibakeSettings(Section):
    """Repairs lines that were decoded with the wrong encoding (ftfy), and no others."""


class ScriptSettings(Section):
    """Drops lines without letters or in another script, and documents of which no line is left."""

    min_line_share: Share
    """Of a line's letters, those of the language's script."""


class LanguageRuleSettings(Section):
    """Judges documents block by block with lid.176; a language that it does not know is not judged."""

    block_characters: PositiveInt
    """A document is judged in blocks of about so many characters."""
    most_blocks: PositiveInt
    """Of a longer document so many blocks are judged, evenly spread."""
    min_letters: PositiveInt
    """Blocks and lines with fewer letters are not judged."""
    certainty: Share
    """A block counts as another language's from this probability on."""
    min_share: Share
    """Of the blocks judged, those that are not another language's; below it a document goes."""
    drop_lines: bool
    """Judge every line on its own first, and drop those of another language."""


class C4Settings(Section):
    """The rules of C4 (Raffel et al. 2020, section 2.2, and its code); null or empty switches one off."""

    max_word_length: PositiveInt | None
    """A line with a longer word goes."""
    remove_citations: bool
    """Take out `[12]`, `[edit]` and `[citation needed]`."""
    terminal_marks: str
    """A line that ends with none of these, or with an ellipsis, goes."""
    language_marks: dict[str, tuple[Annotated[str, Field(min_length=1, max_length=1)], ...]]
    """By the language's code: what else ends a sentence in it, and so a line."""
    min_line_words: NonNegativeInt
    line_phrases: ByLanguage
    """A line with such a phrase goes, in any case; English ones hold for all, as sites leave them untranslated."""
    document_phrases: tuple[str, ...]
    """A document goes with any of these in a line that would stay."""
    min_sentences: NonNegativeInt


class GopherQualitySettings(Section):
    """The quality rules of Gopher (Rae et al. 2021, section A1.1); null switches one off."""

    min_words: PositiveInt | None
    """Words are what stands between white space; those of punctuation alone are not counted."""
    max_words: PositiveInt | None
    min_mean_word_length: PositiveFloat | None
    max_mean_word_length: PositiveFloat | None
    max_hash_ratio: Share | None
    """Hash signs a word."""
    max_ellipsis_ratio: Share | None
    """Ellipses a word."""
    max_bullet_lines: Share | None
    max_ellipsis_lines: Share | None
    min_alphabetic_words: Share | None
    """Share of the words with a letter."""
    min_stop_words: PositiveInt | None
    """How many different ones of the language's stop words there must be."""
    stop_words: ByLanguage


class GopherRepetitionSettings(Section):
    """The repetition rules of Gopher (Rae et al. 2021, table A1); null, or an n left out, switches one off."""

    max_duplicate_paragraphs: Share | None
    max_duplicate_paragraph_characters: Share | None
    max_duplicate_lines: Share | None
    max_duplicate_line_characters: Share | None
    max_top_ngram: dict[Annotated[int, Field(ge=2)], Share]
    """By n: the share of the characters in the n-gram that is most frequent."""
    max_duplicate_ngrams: dict[Annotated[int, Field(ge=2)], Share]
    """By n: the share of the characters in n-grams that were there before."""


class PersonalDataSettings(Section):
    """Puts a placeholder where personal data stands; null leaves that kind as it is."""

    email: Placeholder | None
    ip_address: Placeholder | None
    iban: Placeholder | None
    telephone: Placeholder | None
    national_number: Placeholder | None
    telephone_regions: ByLanguage
    """ISO 3166 codes of the countries whose numbers are known without +; numbers with + are known everywhere."""
    telephone_cues: ByLanguage
    """Words, in any case, behind which a number without a leading 0 is looked for, of countries without a trunk
    prefix; English ones hold for all."""
    national_numbers: ByLanguage
    """Names in python-stdnum of numbers with a check digit, for example `nl.bsn`."""


class BlocklistSettings(Section):
    """Drops documents with words or links of a list."""

    path: LocalPath
    """One word or domain a line; # begins a comment. A domain is an entry with a dot, and
    holds for the hosts below it."""
    sha256: str
    """Of the file; filled in."""
    max_count: NonNegativeInt
    """Occurrences that a document may have."""
    max_share: Share
    """Of its words; a document goes that is above both."""

    @model_validator(mode="before")
    @classmethod
    def _with_sha256(cls, values: Any) -> Any:
        return with_sha256(values, "path", "names no file; give blocklist.path=FILE, or blocklist=null", Path.cwd())


SETTINGS: Registry[type[Section]] = Registry(
    "curation rule",
    {
        "mojibake": MojibakeSettings,
        "script": ScriptSettings,
        "language": LanguageRuleSettings,
        "c4": C4Settings,
        "gopher_quality": GopherQualitySettings,
        "gopher_repetition": GopherRepetitionSettings,
        "personal_data": PersonalDataSettings,
        "blocklist": BlocklistSettings,
    },
)


class NamedRule(Section):
    """A rule that is on."""

    name: str
    settings: SerializeAsAny[Section]

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("settings"), Mapping):
            return values
        try:
            section = SETTINGS[values["name"]]
        except UserError as error:
            raise ValueError(str(error)) from None
        return {**values, "settings": section.model_validate(values["settings"])}


def _listed(rules: Any) -> Any:
    if not isinstance(rules, Mapping):
        return rules
    return [{"name": name, "settings": settings} for name, settings in rules.items() if settings is not None]


Rules = Annotated[tuple[NamedRule, ...], BeforeValidator(_listed)]
"""Rules in their order. In YAML a mapping from name to settings, null for a rule that is off; kept and hashed as a
list, since the order changes the result and hashed mappings have none."""

REWRITING = ("mojibake", "personal_data")
"""What changes a line and drops none."""


def _only_rewriting(rules: tuple[NamedRule, ...]) -> tuple[NamedRule, ...]:
    if wrong := [rule.name for rule in rules if rule.name not in REWRITING]:
        raise ValueError(
            f"the rule '{wrong[0]}' drops lines or documents; a side of a pair can only be rewritten, by "
            f"{' or '.join(REWRITING)}: leave it out, the bitext's other settings drop pairs"
        )
    return rules


RewritingRules = Annotated[Rules, AfterValidator(_only_rewriting)]
"""Rules that leave every text its place."""
