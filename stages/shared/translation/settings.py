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


class Language(Section):
    """A language as prompts name it."""

    code: str
    english_name: str


class Languages(Section):
    """From which language into which."""

    source: Language
    target: Language


class TranslationSettings(Section):
    """How lines are translated."""

    prompt: Annotated[str, AfterValidator(_has_its_fields)]
    """What the model goes on from, in the source vocabulary; {source_language} and {target_language} become their
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
