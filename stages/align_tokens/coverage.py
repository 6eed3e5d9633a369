"""How much of the training text the aligned words explain, and which are the surest."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.shared.alignment_table import NULL, WordPair, split_unit
from stages.shared.token_text import Vocabulary

SHORTEST_EXAMPLE = 3
"""Letters of a word that may serve as an example."""


@dataclass(frozen=True)
class TableFigures:
    """What a table says of itself, and the tokens for which it has evidence."""

    figures: dict[str, Any]
    examples: list[dict[str, Any]]
    covered: np.ndarray
    """Which target tokens are in a pair with enough count, shape (target tokens,)."""


def table_figures(
    pairs: Iterable[WordPair], source: Vocabulary, target: Vocabulary, min_count: int, examples: int
) -> TableFigures:
    """Count the lines of a table, those with at least `min_count`, and list its best-aligned words.

    The entropy is that of the source word given the target word, in bits, over the pairs without the null word,
    weighted by count: 0 where each target word has one partner.
    """
    covered = np.zeros(len(target), dtype=bool)
    by_target: dict[str, list[tuple[str, float]]] = {}
    lines, frequent, null_count, total = 0, 0, 0.0, 0.0
    for pair in pairs:
        lines += 1
        total += pair.expected_count
        if NULL in (pair.source, pair.target):
            null_count += pair.expected_count
            continue
        by_target.setdefault(pair.target, []).append((pair.source, pair.expected_count))
        if pair.expected_count >= min_count:
            frequent += 1
            rows = [target.ids.get(token, -1) for token in split_unit(pair.target, target.ids)]
            covered[[row for row in rows if row >= 0]] = True
    figures = {
        "table_pairs": lines,
        f"pairs_of_count_{min_count}": frequent,
        "target_words": len(by_target),
        "null_share": round(null_count / total, 6) if total else 0.0,
        "entropy_bits": round(source_entropy(by_target), 6),
        "vocabulary_covered": round(float(covered.mean()), 6),
    }
    return TableFigures(figures, best_words(by_target, source, target, examples), covered)


def source_entropy(by_target: dict[str, list[tuple[str, float]]]) -> float:
    """Return the mean entropy of the source word given the target word, bits, weighted by count."""
    weighted, total = 0.0, 0.0
    for word in sorted(by_target):
        counts = np.array([count for _, count in by_target[word]])
        mass = float(counts.sum())
        if mass > 0:
            shares = counts[counts > 0] / mass
            weighted -= mass * float((shares * np.log2(shares)).sum())
            total += mass
    return weighted / total if total else 0.0


def best_words(
    by_target: dict[str, list[tuple[str, float]]], source: Vocabulary, target: Vocabulary, number: int
) -> list[dict[str, Any]]:
    """Return the pairs with the highest count x share of their target word's counts, written as words.

    Whole words of three letters and more come first, those that differ from their source word before those that do not.
    """
    found = []
    for unit, partners in by_target.items():
        total = sum(count for _, count in partners)
        partner, count = max(partners, key=lambda pair: (pair[1], pair[0]))
        words = unit_text(partner, source), unit_text(unit, target)
        plain = all(word.startswith(" ") and is_word(word.strip()) for word in words)
        same = words[0].strip().casefold() == words[1].strip().casefold()
        share = count / total if total else 0.0
        found.append(((not plain, same, -count * share, *words), words, count, share))
    found.sort()
    return [
        {"source": words[0].strip(), "target": words[1].strip(), "count": round(count, 3), "share": round(share, 4)}
        for _, words, count, share in found[:number]
        if all(word.strip() for word in words)
    ]


def unit_text(unit: str, vocabulary: Vocabulary) -> str:
    """Return the text of a unit, a space before it where it starts a word."""
    rows = [vocabulary.ids.get(token, -1) for token in split_unit(unit, vocabulary.ids)]
    if -1 in rows:
        return unit
    return b"".join(vocabulary.text[row] for row in rows).decode(errors="replace")


def is_word(text: str) -> bool:
    """Tell whether a text is letters only, and enough of them."""
    return len(text) >= SHORTEST_EXAMPLE and text.isalpha()


def token_share(tokens: np.ndarray, covered: np.ndarray) -> float:
    """Return the share of running tokens (numbers by token) that are covered, 0 to 1."""
    total = int(tokens.sum())
    return round(float(tokens[covered].sum() / total), 6) if total else 0.0
