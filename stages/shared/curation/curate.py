"""All the rules over many documents."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import thread_time

import numpy as np
from numpy.typing import NDArray

from stages.shared.curation.batch import Batch, Integers
from stages.shared.curation.catalogue import RULES
from stages.shared.curation.settings import Rules
from stages.shared.curation.verdict import Verdict
from stages.shared.language_identification import KNOWN
from stages.shared.text_settings import LanguageSettings

# Arrays of so many characters stay in the processor's caches; ten times as many took twice as long.
BATCH_CHARACTERS = 150_000
SHARED = "words_and_lines"
LINE_EXAMPLES = 10


@dataclass
class Curated:
    """What became of documents; lists and arrays have an element for each one that was given."""

    texts: list[str]
    """Rewritten by the rules, up to the one that drops the document."""
    reasons: list[str | None]
    """Name of the rule that drops the document; None: it stays."""
    checks: list[str | None]
    """Which of the rule's checks it fails."""
    scores: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """By `rule.score`; NaN where the document was dropped before, or there was nothing to measure."""
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """By rule, what it found in the documents that no rule before it drops: lines dropped, placeholders by kind."""
    lines: dict[str, list[str]] = field(default_factory=dict)
    """By rule, the first lines that it took out of documents, or that it wrote in the place of others; `masked`."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of this core, by rule, and `words_and_lines` for what they share."""


def curate(texts: Sequence[str], rules: Rules, language: LanguageSettings) -> Curated:
    """Apply the rules in their order to normalised documents, lines separated by line breaks.

    What becomes of a document depends on it alone, not on the others. Raises UserError for a blocklist or a national
    number that cannot be used.
    """
    curated = Curated(list(texts), [None] * len(texts), [None] * len(texts), seconds={SHARED: 0.0})
    for rule in rules:
        curated.counts[rule.name], curated.seconds[rule.name] = Counter(), 0.0
    for begin, end in _batches(texts):
        _curate_batch(curated, np.arange(begin, end), rules, language)
    return curated


def masked(text: str, rules: Rules, language: LanguageSettings) -> str:
    """Return a text as it may be shown: with the placeholders of `personal_data` where that rule is on."""
    for rule in rules:
        if rule.name == "personal_data":
            return RULES[rule.name](Batch([text]), rule.settings, language).texts.get(0, text)
    return text


def notes(rules: Rules, language: LanguageSettings) -> list[str]:
    """Return which rules, or parts of them, do nothing for a language: what a reader of the counts should know."""
    told = []
    for rule in rules:
        settings = rule.settings.model_dump()
        if rule.name == "language" and language.code not in KNOWN:
            told.append(f"lid.176 does not know '{language.code}': language identification was skipped")
        if settings.get("min_stop_words") is not None and not settings["stop_words"].get(language.code):
            told.append(f"no stop words for '{language.code}': add them to {rule.name}.stop_words")
        if settings.get("national_number") and not settings["national_numbers"].get(language.code):
            told.append(f"no national number for '{language.code}': add one to {rule.name}.national_numbers")
        if settings.get("telephone") and not settings["telephone_regions"].get(language.code):
            told.append(f"telephones of '{language.code}' are found with + only: see {rule.name}.telephone_regions")
    return told


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    begin, characters = 0, 0
    for number, text in enumerate(texts):
        if characters and characters + len(text) > BATCH_CHARACTERS:
            yield begin, number
            begin, characters = number, 0
        characters += len(text)
    if begin < len(texts):
        yield begin, len(texts)


def _curate_batch(curated: Curated, numbers: Integers, rules: Rules, language: LanguageSettings) -> None:
    """Apply the rules to the documents of these numbers."""
    began = thread_time()
    batch = _prepared([curated.texts[number] for number in numbers])
    curated.seconds[SHARED] += thread_time() - began
    for rule in rules:
        began = thread_time()
        verdict = RULES[rule.name](batch, rule.settings, language)
        ended = thread_time()
        curated.seconds[rule.name] += ended - began
        keep = _record(curated, numbers, rule.name, verdict)
        for place, text in verdict.texts.items():
            shown = curated.lines.setdefault(rule.name, [])
            room = LINE_EXAMPLES - len(shown)
            if room and (lines := _changed_lines(curated.texts[numbers[place]], text)[:room]):
                shown += masked("\n".join(lines), rules, language).split("\n")
            curated.texts[numbers[place]] = text
        numbers = numbers[keep]
        if not len(numbers):
            break
        changed = any(keep[place] for place in verdict.texts)
        if changed:
            batch = _prepared([curated.texts[number] for number in numbers])
        elif not keep.all():
            batch = batch.select(keep)
        curated.seconds[SHARED] += thread_time() - ended


def _changed_lines(before: str, after: str) -> list[str]:
    """Return the lines that a rule took out, or where it only rewrote some, what they became."""
    lines, kept = before.split("\n"), after.split("\n") if after else []
    more, fewer = (lines, set(kept)) if len(kept) < len(lines) else (kept, set(lines))
    return [line for line in more if line not in fewer]


def _prepared(texts: Sequence[str]) -> Batch:
    batch = Batch(texts)
    _ = batch.words, batch.lines, batch.word_bits
    return batch


def _record(curated: Curated, numbers: Integers, rule: str, verdict: Verdict) -> NDArray[np.bool_]:
    """Write down a verdict; return which documents stay."""
    for name, values in verdict.scores.items():
        scores = curated.scores.setdefault(f"{rule}.{name}", np.full(len(curated.texts), np.nan, np.float32))
        scores[numbers] = values
    curated.counts[rule].update({name: count for name, count in verdict.counts.items() if count})
    keep = np.ones(len(numbers), np.bool_)
    for check, failing in verdict.dropped.items():
        for place in np.flatnonzero(failing & keep):
            curated.reasons[numbers[place]], curated.checks[numbers[place]] = rule, check
        keep &= ~failing
    return keep
