"""The lines of the test sets with the training pairs that are most like them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stages.evaluate_translation.line_sets import LineSet
from stages.evaluate_translation.settings import EvaluateTranslationSettings
from stages.shared.translation.memory import Match, read_memory, show
from stages.shared.translation.prompts import Line


def find_matches(
    settings: EvaluateTranslationSettings, inputs: Mapping[str, Path], sets: Mapping[str, LineSet]
) -> dict[str, list[Match | None]]:
    """Return for each line of each set the most similar training pair; nothing without `matching`.

    A pair with the line's own source or reference is none, should it be there though held out.
    """
    if settings.matching is None:
        return {}
    memory = read_memory(inputs["bitext"], settings.matching)
    return {name: memory.find(list(zip(lines.sources, lines.references, strict=True))) for name, lines in sets.items()}


def lines_to_translate(
    settings: EvaluateTranslationSettings,
    sets: Mapping[str, LineSet],
    matches: Mapping[str, Sequence[Match | None]],
) -> dict[str, list[Line]]:
    """Return the lines of each set, with what their prompts show of their matches, where there are any."""
    found = {}
    for name, lines in sets.items():
        of_set = matches.get(name, [None] * len(lines.sources))
        shown = [show(match, settings.languages, settings.matching) for match in of_set]
        found[name] = [Line(*both) for both in zip(lines.sources, shown, strict=True)]
    return found
