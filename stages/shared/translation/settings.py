"""How lines are translated."""

from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from pipeline.section import Section
from stages.shared.decoding.settings import DecodingSettings

FIELDS = {"source_language", "target_language", "text"}


def _has_its_fields(prompt: str) -> str:
    try:
        found = {name for _, name, _, _ in Formatter().parse(prompt) if name is not None}
    except ValueError as error:
        raise ValueError(f"{error}; a brace that is text is written twice") from None
    if found - FIELDS or "text" not in found:
        names = ", ".join("{" + name + "}" for name in sorted(FIELDS))
        raise ValueError(f"may have {names}, and must have {{text}}")
    return prompt


def _has_a_match(template: str) -> str:
    try:
        found = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"{error}; a brace that is text is written twice") from None
    needed = ("match_source", "match_target")
    once = all(template.count("{" + name + "}") == found.count(name) == 1 for name in needed)
    if not once or set(found) - {*needed, "source_language", "target_language"}:
        raise ValueError(
            "must have {match_source} and {match_target}, once each, and may have {source_language} and "
            "{target_language}"
        )
    return template


class Language(Section):
    """A language as prompts name it."""

    code: str
    english_name: str


class Languages(Section):
    """From which language into which."""

    source: Language
    target: Language

    @property
    def prompted_in(self) -> Language:
        """The language in whose vocabulary the prompt's own words are encoded."""
        return self.source

    def backwards(self) -> "Languages":
        """Return the other direction, in the prompts of which the source's vocabulary is still the prompt's."""
        return Backwards(source=self.target, target=self.source)


class Backwards(Languages):
    """From the new language into the base model's, whose vocabulary alone has learnt what a prompt's words mean."""

    @property
    def prompted_in(self) -> Language:
        """The language in whose vocabulary the prompt's own words are encoded."""
        return self.target


Prompt = Annotated[str, AfterValidator(_has_its_fields)]


class TranslationSettings(Section):
    """How lines are translated."""

    prompt: Prompt
    """What the model goes on from, in the base model's vocabulary; {source_language} and {target_language} become their
    English names, {text} the line. Names of special tokens in it are such tokens."""
    new_tokens_per_token: PositiveFloat
    """A translation has at most so many tokens for each token of its line, ..."""
    new_tokens: PositiveInt
    """... and so many more."""
    limit_step: Annotated[int, Field(ge=1)]
    """That limit is rounded up to a multiple of this, and lines with the same limit are translated together: so a
    line's translation does not depend on its neighbours."""
    batch_tokens: PositiveInt
    """Tokens in a batch, prompts and limits, padding included; lines are sorted by length first."""
    precision: Literal["float32", "bfloat16"]
    """Type of the weights."""
    threads: PositiveInt
    """Threads of torch on a CPU; a setting, because the last bits of a sum depend on it."""
    decoding: DecodingSettings


class NoRepair(Section):
    """Prompts without examples."""

    method: Literal["none"]


class MatchSettings(Section):
    """Which translation of the training bitext is shown before a text, as the most similar one.

    Neural fuzzy repair (NFR): Bulté and Tezcan 2019, aclanthology.org/P19-1175.
    """

    similarity: Annotated[float, Field(gt=0, lt=1)]
    """Least similarity of the sources: 1 - edits / words of the longer one. A text without such a match has the plain
    prompt."""
    least_words: PositiveInt
    most_words: PositiveInt
    """Of either side of a pair that may be a match."""
    match: Annotated[str, AfterValidator(_has_a_match)]
    """What stands before the line of `translation.prompt` that has {text}; {match_source} and {match_target} become the
    match's sides, the latter in the target's vocabulary."""


class FuzzyRepair(MatchSettings):
    """Prompts with the most similar translation, in fine-tuning and in translating."""

    method: Literal["nfr"]
    systems: Annotated[tuple[Literal["base_parft", "hydra_parft", "hydra_backft"], ...], Field(min_length=1)]
    """Tuned systems of which there will be one with matches too, tuned on the same pairs; those that the run makes."""

    @property
    def matching(self) -> MatchSettings:
        """What the models' prompts depend on."""
        return MatchSettings(**{name: getattr(self, name) for name in MatchSettings.model_fields})


RepairSettings = Annotated[NoRepair | FuzzyRepair, Field(discriminator="method")]
