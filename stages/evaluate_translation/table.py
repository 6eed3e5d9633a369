"""The figures of all systems on all sets, and which differences are more than chance."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.evaluate_translation.line_sets import LineSet
from stages.evaluate_translation.output_facts import output_facts
from stages.evaluate_translation.scores import Scored, compare, figures, score
from stages.shared.bootstrap import Bootstrap
from stages.shared.text_settings import LanguageSettings

Outputs = dict[tuple[str, str], Sequence[str]]
"""Texts by set and system, in the order of the table."""
COMPARED_BY = "chrf"


def score_systems(
    outputs: Outputs, sets: Mapping[str, LineSet], language: LanguageSettings, bootstrap: Bootstrap
) -> tuple[list[dict[str, Any]], dict[tuple[str, str], Scored]]:
    """Return an entry of `sets` in translation.json for each set and system, set by set, and the scores."""
    entries, scored = [], {}
    for name, lines in sets.items():
        for (of_set, system), texts in outputs.items():
            if of_set != name:
                continue
            found = scored[name, system] = score(texts, lines.references, lines.groups, bootstrap)
            entry: dict[str, Any] = {"set": name, "system": system, **figures(found, bootstrap.confidence)}
            entry |= {"signature": found.signatures[COMPARED_BY], "signatures": found.signatures}
            facts = output_facts(texts, lines.sources, lines.references, language)
            entries.append(entry | {"sentences": len(texts), "groups": len(set(lines.groups)), **facts})
    return entries, scored


def compare_systems(scored: Mapping[tuple[str, str], Scored], bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """Return for each set how each system's ChrF stands to that of every system before it in the table."""
    entries = []
    before: dict[str, list[str]] = {}
    for (name, system), mine in scored.items():
        for other in before.setdefault(name, []):
            difference = compare(mine, scored[name, other], COMPARED_BY, bootstrap.confidence)
            entries.append({"set": name, "system": system, "against": other, "metric": COMPARED_BY, **difference})
        before[name].append(system)
    return entries
