"""The figures of all systems on all sets, and which differences are more than chance."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.answer_questions.answers import COMPARED_BY, Answers
from stages.answer_questions.question_sets import AskedSet
from stages.shared.bootstrap import Bootstrap, resampled_totals
from stages.shared.paired import compare_samples, interval

Outcome = Mapping[tuple[str, int, str], Answers]
"""Answers by set, number of examples and system, in the order of the table."""


def resampled_means(scores: np.ndarray, contexts: np.ndarray, bootstrap: Bootstrap) -> np.ndarray:
    """Return the mean score of each bootstrap sample in per cent, float64, shape (samples,); empty for one text.

    Texts are drawn, each with all its questions, because questions on one text are not independent. The same draws
    come for every system.
    """
    texts = int(contexts.max()) + 1
    if texts < 2:
        return np.empty(0)
    sums = np.stack([np.bincount(contexts, scores, texts), np.bincount(contexts, minlength=texts)])
    totals = resampled_totals(sums.astype(np.float64), bootstrap.samples, bootstrap.seed)
    means: np.ndarray = 100 * totals[0] / totals[1]
    return means


def table_rows(outcome: Outcome, sets: Mapping[str, AskedSet], bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """Return an entry for each set, number of examples and system; scores in per cent with their intervals."""
    entries = []
    for (name, shots, system), answers in outcome.items():
        asked = sets[name]
        entry: dict[str, Any] = {"set": name, "shots": shots, "system": system}
        entry |= {"questions": len(asked.questions), "texts": int(asked.contexts.max()) + 1}
        for metric, scores in answers.scores.items():
            low, high = interval(resampled_means(scores, asked.contexts, bootstrap), bootstrap.confidence)
            entry |= {metric: 100 * float(scores.mean()), f"{metric}_low": low, f"{metric}_high": high}
        empty = sum(not text.strip() for text in answers.texts)
        entries.append(entry | {"empty": empty, "flags": dict(sorted(answers.flags.items()))})
    return entries


def compare_systems(outcome: Outcome, sets: Mapping[str, AskedSet], bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """Return how each system stands to every one before it, on the same questions with as many examples."""
    entries = []
    before: dict[tuple[str, int], list[str]] = {}
    for (name, shots, system), mine in outcome.items():
        asked = sets[name]
        metric = COMPARED_BY[asked.chosen_from]
        for other in before.setdefault((name, shots), []):
            apart = mine.scores[metric] - outcome[name, shots, other].scores[metric]
            samples = resampled_means(apart, asked.contexts, bootstrap)
            found = compare_samples(100 * float(apart.mean()), samples, bootstrap.confidence)
            entry = {"set": name, "shots": shots, "system": system, "against": other, "metric": metric}
            entries.append(entry | found)
        before[name, shots].append(system)
    return entries
