"""Lines to prompts, and which lines have none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from tqdm import tqdm

from pipeline.errors import UserError
from stages.shared.hydra.processing import HydraProcessor, Segment
from stages.shared.translation.scripts import mixed_script
from stages.shared.translation.settings import Languages, TranslationSettings

Shown = tuple[tuple[str, str], ...]
"""A translation as an example in a prompt: codes of languages, and texts that follow each other."""
EMPTY, TOO_LONG, SPECIAL_TOKEN, MIXED_SCRIPT = "empty", "too_long", "special_token", "mixed_script"
UNFINISHED, NOTHING_WRITTEN = "unfinished", "nothing_written"
WITHOUT_EXAMPLE = "without_example"
FLAGS = {
    EMPTY: "empty; the translation is empty too",
    TOO_LONG: "too long for the model; not translated",
    SPECIAL_TOKEN: "holds the name of a special token; not translated",
    MIXED_SCRIPT: "letters of several scripts; translated",
    WITHOUT_EXAMPLE: "the translation that is to be shown before it does not fit; translated without",
    UNFINISHED: "the translation reached its longest length; it may be cut off",
    NOTHING_WRITTEN: "the model wrote nothing",
}
"""What can be said of a line, and what became of it."""
FORMATTER = Formatter()
LEAST_ROOM = 2
"""Tokens for each of a line that must be left for its translation where the limit does not fit the positions."""


@dataclass(frozen=True)
class Line:
    """What is to be translated."""

    text: str
    shown: Shown = ()
    """A translation like it, as an example before it."""


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


def segments(text: str, languages: Languages, template: str, special: bool, shown: Shown = ()) -> list[Segment]:
    """Return the prompt for a line: the template in one vocabulary, the line in its own, the example as it says.

    The example stands before the template's line that has {text}.
    """
    place = template.rfind("\n", 0, template.index("{text")) + 1
    before, asked = (_filled(part, text, languages, special) for part in (template[:place], template[place:]))
    examples = [(code, part, special and code == languages.prompted_in.code) for code, part in shown]
    return [*before, *examples, *asked]


def _filled(template: str, text: str, languages: Languages, special: bool) -> Iterator[Segment]:
    """Yield the parts of a template and the line; spaces before the line belong to it, as those within a text do."""
    names = {"source_language": languages.source.english_name, "target_language": languages.target.english_name}
    own, of_line = languages.prompted_in.code, languages.source.code
    for literal, name, form, conversion in FORMATTER.parse(template):
        kept = literal.rstrip(" ") if name == "text" else literal
        yield own, kept, special
        if name is not None:
            value = FORMATTER.convert_field({**names, "text": text}[name], conversion)
            written = literal[len(kept) :] + FORMATTER.format_field(value, form or "")
            yield of_line if name == "text" else own, written, special


def make_prompts(
    lines: Sequence[Line],
    processor: HydraProcessor,
    positions: int | None,
    languages: Languages,
    settings: TranslationSettings,
) -> tuple[list[Prompt], list[tuple[str, ...]]]:
    """Return the prompts of the lines that can be translated, and each line's flags.

    Where a prompt and its limit need more than the model's positions, the example is left out; then the limit is cut.
    """
    name, asking = (processor.vocabulary_of(one.code) for one in (languages.source, languages.prompted_in))
    named = processor.special_tokens(asking)
    special = any(token in settings.prompt for token in named)
    forbidden = (*named, *processor.special_tokens(name)) if special else ()
    prompts, flags = list[Prompt](), list[tuple[str, ...]]()
    for number, line in enumerate(tqdm(lines, desc="reading lines", unit="line", mininterval=1)):
        text = line.text.strip()
        if not text or any(token in text for token in forbidden):
            flags.append((SPECIAL_TOKEN if text else EMPTY,))
            continue
        tokens = len(processor.encode([(name, text)])) - 1
        wanted = token_limit(tokens, settings)
        for shown in dict.fromkeys((line.shown, ())):
            if not is_plain(shown, forbidden):
                continue
            ids = processor.encode(segments(text, languages, settings.prompt, special, shown))
            room = wanted if positions is None else positions - len(ids)
            if room >= wanted:
                break
        found = [MIXED_SCRIPT] if mixed_script(text) else []
        if room < min(wanted, LEAST_ROOM * tokens):
            found.append(TOO_LONG)
        else:
            prompts.append(Prompt(number, tuple(ids), min(wanted, room)))
            found += [WITHOUT_EXAMPLE] if shown != line.shown else []
        flags.append(tuple(found))
    return prompts, flags


def is_plain(shown: Shown, tokens: Sequence[str]) -> bool:
    """Tell whether an example names none of these special tokens, from which such a name could not be told."""
    return not any(token in text for token in tokens for _, text in shown)


def token_limit(tokens: int, settings: TranslationSettings) -> int:
    """Return how many tokens the translation of a line of so many may have."""
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
