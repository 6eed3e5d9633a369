"""Rules of curation on each side of pairs: those that mend or rewrite a line."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stages.ingest_bitext.settings import BitextSettings
from stages.shared.curation.curate import curate, notes
from stages.shared.documents import Segment
from stages.shared.text_settings import LanguageSettings

Counts = dict[str, dict[str, Counter[str]]]
"""By side and rule, what the rule found."""


class SideRules:
    """The rules, and what they found in the pairs that they were given."""

    def __init__(self, settings: BitextSettings, language: LanguageSettings) -> None:
        self.rules = settings.rules
        self.languages = {"source": language.model_copy(update={"code": language.source_code}), "target": language}
        self.counts: Counts = {side: {rule.name: Counter() for rule in self.rules} for side in self.languages}

    def rewritten(self, pairs: Sequence[Segment]) -> list[Segment]:
        """Return normalised pairs as the rules leave them; many at a time are faster."""
        if not self.rules or not pairs:
            return list(pairs)
        sides = []
        for (side, language), texts in zip(self.languages.items(), zip(*pairs, strict=True), strict=True):
            curated = curate(texts, self.rules, language)
            for rule, found in curated.counts.items():
                self.counts[side][rule].update(found)
            sides.append(curated.texts)
        return [Segment(*pair) for pair in zip(*sides, strict=True)]

    @property
    def notes(self) -> list[str]:
        """Return which rules do nothing for one of the languages."""
        return [told for language in self.languages.values() for told in notes(self.rules, language)]


def joined_counts(found: Iterable[Mapping[str, Any]]) -> Counts:
    """Return the counts of all shards together."""
    joined: Counts = {}
    for counts in found:
        for side, rules in counts.items():
            for rule, one in rules.items():
                joined.setdefault(side, {}).setdefault(rule, Counter()).update(one)
    return joined
