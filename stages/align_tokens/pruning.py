"""From expected counts to the lines of fast_align's table."""

from collections.abc import Iterator

import numpy as np

from stages.align_tokens.lexicon import PairCounts
from stages.shared.alignment_table import NULL, WordPair


def conditional(counts: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return log P(target | source) of counts whose sources are given, -inf for a count of zero."""
    totals = np.bincount(sources, weights=counts)
    with np.errstate(divide="ignore"):
        logs: np.ndarray = np.log(counts / np.maximum(totals[sources], np.finfo(float).tiny))
    return logs


def table_rows(pairs: PairCounts, beam_threshold: float, table_count: float) -> np.ndarray:
    """Return which pairs are written.

    The original writes those with log P >= -beam_threshold x log(max P) of their source word, that is P >= max P ** 4
    with its default of -4: the surer the best translation, the fewer others.
    """
    sources, counts = pairs.keys // pairs.targets, pairs.counts
    logs = conditional(counts, sources)
    best = np.full(int(sources.max(initial=0)) + 1, -np.inf)
    np.maximum.at(best, sources, logs)
    # A best of exactly 0 (one translation only) would be -0 x 1000; rounding must not drop the pair itself.
    keep = logs >= np.minimum(-beam_threshold * best[sources], best[sources]) - 1e-9
    return np.flatnonzero(keep & (counts > 0) & (counts >= table_count))


def table_lines(
    pairs: PairCounts, rows: np.ndarray, source_names: list[str], target_names: list[str]
) -> Iterator[WordPair]:
    """Yield the chosen pairs, sorted by source and target name."""
    sources, targets = pairs.keys[rows] // pairs.targets, pairs.keys[rows] % pairs.targets
    logs = conditional(pairs.counts, pairs.keys // pairs.targets)[rows]
    named = [NULL, *source_names]
    lines = zip(sources.tolist(), targets.tolist(), logs.tolist(), pairs.counts[rows].tolist(), strict=True)
    ordered = sorted((named[source], target_names[target], log, count) for source, target, log, count in lines)
    for source, target, log, count in ordered:
        yield WordPair(source, target, log, count)
