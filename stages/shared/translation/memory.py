"""The translation that is most like what is to be translated: neural fuzzy repair (Bulté and Tezcan 2019)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from tqdm import tqdm

from stages.shared.overlap import text_keys
from stages.shared.text_table import read_rows
from stages.shared.translation.pairs import Pair, usable_pairs
from stages.shared.translation.prompts import Shown
from stages.shared.translation.settings import Languages, MatchSettings
from stages.shared.translation.similar_texts import SimilarTexts


class Match(NamedTuple):
    """A pair whose source is like another text."""

    source: str
    target: str
    similarity: float


class TranslationMemory:
    """Pairs, of which the one with the most similar source is found."""

    def __init__(self, pairs: Iterable[Pair], settings: MatchSettings) -> None:
        """Keep the pairs that are not too long."""
        most = settings.most_words
        self.pairs = [pair for pair in pairs if max(len(text.split()) for text in pair) <= most]
        self.sources, self.targets = (text_keys([pair[side] for pair in self.pairs]) for side in (0, 1))
        self.similar = SimilarTexts([source for source, _ in self.pairs], settings.similarity)

    def find(self, pairs: Sequence[Pair]) -> list[Match | None]:
        """Return for each pair the most similar other one, None where none is similar enough.

        Other is a pair that shares neither source nor target with it (case, digits and punctuation aside): so none sees
        its own translation, whether it stands in the memory or not.
        """
        sources, targets = (text_keys([pair[side] for pair in pairs]) for side in (0, 1))
        found = list[Match | None]()
        for number, (source, _) in enumerate(tqdm(pairs, desc="looking for similar pairs", unit="pair", mininterval=1)):
            other = (self.sources != sources[number]) & (self.targets != targets[number])
            similar = self.similar.best(source, other)
            found.append(Match(*self.pairs[similar.number], similar.similarity) if similar else None)
        return found


def read_memory(bitext: Path, settings: MatchSettings) -> TranslationMemory:
    """Return the memory of a bitext's training pairs; nothing held out is among them."""
    rows = read_rows(bitext / "train.parquet", ["source_text", "target_text"])
    return TranslationMemory(usable_pairs(rows, settings.least_words), settings)


def show(match: Match | None, languages: Languages, matching: MatchSettings | None) -> Shown:
    """Return what a prompt shows of a match: its translation as the target's text, all else as the source's.

    Empty where there is no match. A space before the translation belongs to it, as it does where one is learnt.
    """
    if match is None or matching is None:
        return ()
    names = {"source_language": languages.source.english_name, "target_language": languages.target.english_name}
    before, after = matching.match.split("{match_target}")
    kept = before.rstrip(" ")
    return (
        (languages.source.code, kept.format(match_source=match.source, **names)),
        (languages.target.code, before[len(kept) :] + match.target),
        (languages.source.code, after.format(match_source=match.source, **names)),
    )


def match_figures(matches: Sequence[Match | None]) -> dict[str, Any]:
    """Return how many texts have a match, and how similar these are."""
    found = [match.similarity for match in matches if match]
    return {"texts": len(matches), "matched": len(found), "mean_similarity": fmean(found) if found else None}
