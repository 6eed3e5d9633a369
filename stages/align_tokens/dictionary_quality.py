"""How well a table agrees with a dictionary: precision and recall of its best translations, word by word."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.align_tokens.coverage import unit_text
from stages.align_tokens.sentence_pairs import take_evenly
from stages.align_tokens.word_units import Sentences, WordUnits
from stages.shared.alignment_table import NULL, WordPair

SENTENCE_PAIRS = 200_000
"""Where words occur together is looked up in so many pairs, evenly spread, to bound time and memory."""
RANKS = (1, 3)

Pair = tuple[str, str]


class Occurrences(NamedTuple):
    """Where the words of a dictionary stand."""

    sentences: Mapping[str, np.ndarray]
    """Numbers of the sentences that hold a word, sorted, each once."""

    def share(self, word: str, others: "Occurrences", other: str) -> bool:
        """Tell whether two words occur in one pair of sentences."""
        here, there = self.sentences.get(word), others.sentences.get(other)
        return here is not None and there is not None and bool(np.isin(here, there, assume_unique=True).any())


def read_dictionary(path: Path) -> set[Pair]:
    """Return the pairs of dictionary.tsv in lower case."""
    with path.open(encoding="utf-8") as file:
        return {(source, target) for source, target in (line.casefold().rstrip("\n").split("\t") for line in file)}


def dictionary_figures(
    table: Iterable[WordPair],
    dictionary: set[Pair],
    text: tuple[Sentences, Sentences],
    units: tuple[WordUnits, WordUnits],
) -> dict[str, int | float]:
    """Return precision and recall of a table against the dictionary pairs whose two words occur together in the text.

    Recall at k: the share of those pairs whose source word is among the k best of its target word. Precision, in either
    direction: of the words that such pairs and the table hold, the share whose best translation is in the dictionary.
    All words in lower case; the counts of units that read alike are added.
    """
    sample = take_evenly(*text, SENTENCE_PAIRS)
    found = [
        occurrences(sentences, side, {pair[number] for pair in dictionary})
        for number, (sentences, side) in enumerate(zip(sample, units, strict=True))
    ]
    known = sorted(pair for pair in dictionary if found[0].share(pair[0], found[1], pair[1]))
    if not known:
        return {"dictionary_pairs": 0}
    by_target, by_source = partners(table, units, known)
    recall = {
        f"dictionary_recall_{k}": share([source in best(by_target.get(target, {}), k) for source, target in known])
        for k in RANKS
    }
    return {
        "dictionary_pairs": len(known),
        **recall,
        "dictionary_precision": precision(by_target, {(target, source) for source, target in dictionary}),
        "dictionary_precision_of_source": precision(by_source, dictionary),
    }


def occurrences(sentences: Sentences, units: WordUnits, words: set[str]) -> Occurrences:
    """Return where the words stand among the sentences."""
    numbers: dict[str, int] = {}
    word_of_unit = np.full(len(units), -1)
    for unit, text in enumerate(unit_texts(units)):
        if text in words:
            word_of_unit[unit] = numbers.setdefault(text, len(numbers))
    rows = np.repeat(np.arange(len(sentences)), np.diff(sentences.starts))
    word = word_of_unit[sentences.units]
    keys = np.unique(word[word >= 0] * len(sentences) + rows[word >= 0])
    ends = np.searchsorted(keys, np.arange(1, len(numbers) + 1) * len(sentences))
    parts = np.split(keys % len(sentences), ends[:-1]) if numbers else []
    return Occurrences(dict(zip(numbers, parts, strict=True)))


def unit_texts(units: WordUnits) -> Iterable[str]:
    """Yield what each unit reads, in lower case and without the space before it."""
    for name in units.names():
        yield unit_text(name, units.vocabulary).strip().casefold()


def partners(
    table: Iterable[WordPair], units: tuple[WordUnits, WordUnits], known: Iterable[Pair]
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Return the counts of the partners of the target and of the source words that known pairs hold."""
    sources, targets = ({pair[side] for pair in known} for side in (0, 1))
    by_target: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    by_source: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for pair in table:
        if NULL in (pair.source, pair.target):
            continue
        source = unit_text(pair.source, units[0].vocabulary).strip().casefold()
        target = unit_text(pair.target, units[1].vocabulary).strip().casefold()
        if target in targets:
            by_target[target][source] += pair.expected_count
        if source in sources:
            by_source[source][target] += pair.expected_count
    return by_target, by_source


def best(counts: Mapping[str, float], k: int) -> list[str]:
    """Return the k words with the highest counts; of equals, the first in the alphabet."""
    return sorted(counts, key=lambda word: (-counts[word], word))[:k]


def precision(partners_of: Mapping[str, Mapping[str, float]], dictionary: set[Pair]) -> float:
    """Return the share of words whose best partner the dictionary gives them."""
    return share([(word, best(counts, 1)[0]) in dictionary for word, counts in partners_of.items()])


def share(hits: list[bool]) -> float:
    """Return the share of hits, 0 where there was nothing to hit."""
    return round(sum(hits) / len(hits), 6) if hits else 0.0
