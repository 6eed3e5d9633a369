"""Lines to prompts, and which lines have none."""

from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError
from stages.shared.hydra.processing import HydraProcessor, Segment
from stages.shared.translation.scripts import mixed_script
from stages.shared.translation.settings import Languages, TranslationSettings

EMPTY, TOO_LONG, SPECIAL_TOKEN, MIXED_SCRIPT = "empty", "too_long", "special_token", "mixed_script"
UNFINISHED, NOTHING_WRITTEN = "unfinished", "nothing_written"
FLAGS = {
    EMPTY: "empty; the translation is empty too",
    TOO_LONG: "too long for the model; not translated",
    SPECIAL_TOKEN: "holds the name of a special token; not translated",
    MIXED_SCRIPT: "letters of several scripts; translated",
    UNFINISHED: "the translation reached its longest length; it may be cut off",
    NOTHING_WRITTEN: "the model wrote nothing",
}
"""What can be said of a line, and what became of it."""


@dataclass(frozen=True)
class Prompt:
    """A line that is to be translated."""

    number: int
    """Among the lines, from 0."""
    ids: tuple[int, ...]
    limit: int
    """Tokens that its translation may have."""

    @property
    def length(self) -> int:
        """Tokens of prompt and translation."""
        return len(self.ids) + self.limit


def check_languages(processor: HydraProcessor, languages: Languages) -> None:
    """Raise UserError where a language has no vocabulary, or where another one would be written."""
    known = ", ".join(dict.fromkeys((*processor.names, *processor.languages)))
    for language in (languages.source, languages.target):
        if not processor.reads(language.code):
            raise UserError(
                f"no vocabulary of this model is for {language.english_name} ('{language.code}'). It has: {known}"
            )
    written = processor.names[0]
    if processor.vocabulary_of(languages.target.code) != written:
        raise UserError(
            f"this model writes with the vocabulary '{written}', which is not that of "
            f"{languages.target.english_name} ('{languages.target.code}'): swap_head on model and processor first"
        )


def segments(text: str, languages: Languages, template: str, special: bool) -> list[Segment]:
    """Return the prompt for a line, all of it in the source language's vocabulary."""
    names = {"source_language": languages.source.english_name, "target_language": languages.target.english_name}
    return [(languages.source.code, template.format(text=text, **names), special)]


def make_prompts(
    lines: list[str],
    processor: HydraProcessor,
    positions: int | None,
    languages: Languages,
    settings: TranslationSettings,
) -> tuple[list[Prompt], list[tuple[str, ...]]]:
    """Return the prompts of the lines that can be translated, and each line's flags."""
    name = processor.vocabulary_of(languages.source.code)
    tokens = processor.special_tokens(name)
    special = any(token in settings.prompt for token in tokens)
    prompts, flags = list[Prompt](), list[tuple[str, ...]]()
    for number, line in enumerate(lines):
        text = line.strip()
        if not text:
            flags.append((EMPTY,))
            continue
        if special and any(token in text for token in tokens):
            flags.append((SPECIAL_TOKEN,))
            continue
        mixed = (MIXED_SCRIPT,) if mixed_script(text) else ()
        ids = processor.encode(segments(text, languages, settings.prompt, special))
        limit = _limit(len(processor.encode([(name, text)])) - 1, settings)
        fits = positions is None or len(ids) + limit <= positions
        flags.append(mixed if fits else (*mixed, TOO_LONG))
        if fits:
            prompts.append(Prompt(number, tuple(ids), limit))
    return prompts, flags


def _limit(tokens: int, settings: TranslationSettings) -> int:
    wanted = tokens * settings.new_tokens_per_token + settings.new_tokens
    return int(-(-wanted // settings.limit_step)) * settings.limit_step


def make_batches(prompts: list[Prompt], batch_tokens: int, sequences: int) -> list[list[Prompt]]:
    """Return the prompts in batches of one limit and of similar length, the longest first.

    A batch has at most `batch_tokens` tokens, padding and the `sequences` that are held for each line included, but at
    least one line.
    """
    batches = list[list[Prompt]]()
    for prompt in sorted(prompts, key=lambda one: (-one.limit, -len(one.ids), one.number)):
        last: Any = batches[-1] if batches else None
        # The first of a batch is its longest.
        if last and last[0].limit == prompt.limit and (len(last) + 1) * last[0].length * sequences <= batch_tokens:
            last.append(prompt)
        else:
            batches.append([prompt])
    return batches
