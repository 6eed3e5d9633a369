"""ChrF, ChrF++ and BLEU of a system's output, with bootstrap intervals, and paired comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from stages.shared.bootstrap import Bootstrap, group_totals, resampled_totals
from stages.shared.paired import compare_samples, interval

METRICS: dict[str, Any] = {"chrf": CHRF, "chrf_plus_plus": partial(CHRF, word_order=2), "bleu": BLEU}


@dataclass(frozen=True)
class Scored:
    """One system's scores on one test set."""

    values: dict[str, float]
    """By metric, from 0 to 100, as sacrebleu's `corpus_score` gives them."""
    resampled: dict[str, np.ndarray]
    """The scores of each bootstrap sample, float64; the same groups for every system. Empty for one group."""
    signatures: dict[str, str]
    """sacrebleu's, by which a score can be made again."""


def score(outputs: Sequence[str], references: Sequence[str], groups: Sequence[str], bootstrap: Bootstrap) -> Scored:
    """Score outputs against one reference each; whole groups of lines are resampled."""
    values, resampled, signatures = {}, {}, {}
    for name, make in METRICS.items():
        metric = make()
        values[name] = float(metric.corpus_score(list(outputs), [list(references)]).score)
        signatures[name] = str(metric.get_signature())
        # sacrebleu's own bootstrap takes its seed from the environment: so its counts of each sentence are summed here.
        counts = np.array(metric._extract_corpus_statistics(list(outputs), [list(references)]), dtype=np.float64)
        resampled[name] = _resampled(metric, group_totals(counts.T, groups), bootstrap)
    return Scored(values, resampled, signatures)


def _resampled(metric: Any, counts: np.ndarray, bootstrap: Bootstrap) -> np.ndarray:
    """Return a metric's scores of the samples; `counts` has the shape (what is counted, groups)."""
    if counts.shape[1] < 2:
        return np.empty(0)
    totals = resampled_totals(counts, bootstrap.samples, bootstrap.seed).T
    return np.array([metric._compute_score_from_stats(row).score for row in totals.astype(np.int64).tolist()])


def figures(scored: Scored, confidence: float) -> dict[str, float | None]:
    """Return each metric with the ends of its percentile interval, None for one group."""
    found: dict[str, float | None] = {}
    for name, value in scored.values.items():
        low, high = interval(scored.resampled[name], confidence)
        found |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return found


def compare(system: Scored, other: Scored, metric: str, confidence: float) -> dict[str, Any]:
    """Return how `system` stands to `other` in a metric, as `compare_samples` does.

    Paired: both were resampled with the same groups.
    """
    difference = system.values[metric] - other.values[metric]
    return compare_samples(difference, system.resampled[metric] - other.resampled[metric], confidence)
