"""Two trainings at equal bytes and at equal operations, in several orders of the text."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from stages.compare_training.trainings import SYSTEMS, TrainedModel
from stages.shared.verdict import judge

AXES = ("bytes", "flops")
Interval = tuple[float, float] | tuple[None, None]


def student_interval(values: Sequence[float], confidence: float) -> Interval:
    """Return the interval of a mean, t(n - 1) s / sqrt(n) to both sides; a single value has none.

    >>> low, high = student_interval([1.0, 2.0, 3.0], 0.95)
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    if len(values) < 2:
        return None, None
    spread = float(student.ppf((1 + confidence) / 2, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    mean = float(np.mean(values))
    return mean - spread, mean + spread


def compare(trainings: Sequence[TrainedModel], text: str, axis: str, confidence: float) -> dict[str, Any] | None:
    """Compare the two systems of one variant on one text after equal `bytes` or `flops`, seed by seed.

    The amount is, for each seed, the most that both have spent, so that neither is read beyond its end. None where one
    was not watched on the text.
    """
    pairs = [
        (ours.curves[text], theirs.curves[text])
        for ours in trainings
        for theirs in trainings
        if (ours.system, theirs.system) == SYSTEMS and ours.seed == theirs.seed
        if text in ours.curves and text in theirs.curves
    ]
    if not pairs:
        return None
    amounts = [min(ours.end(axis), theirs.end(axis)) for ours, theirs in pairs]
    values = [tuple(curve.at(axis, amount) for curve in pair) for pair, amount in zip(pairs, amounts, strict=True)]
    differences = [ours - theirs for ours, theirs in values]
    low, high = student_interval(differences, confidence)
    adapted, source = np.mean(values, axis=0).tolist()
    return {
        "text": text,
        "replay": trainings[0].replay,
        "at_equal": axis,
        "amount": float(np.mean(amounts)),
        **dict(zip(SYSTEMS, (adapted, source), strict=True)),
        "difference": adapted - source,
        "difference_low": low,
        "difference_high": high,
        "differences": differences,
        "verdict": judge(low, high),
    }


def change(trainings: Sequence[TrainedModel], system: str, text: str, confidence: float) -> dict[str, Any] | None:
    """Return how one system of a variant changed on a text from before its first step to after its last."""
    curves = [one.curves[text] for one in trainings if one.system == system and text in one.curves]
    if not curves:
        return None
    changes = [float(curve.bits_per_byte[-1] - curve.bits_per_byte[0]) for curve in curves]
    low, high = student_interval(changes, confidence)
    return {
        "text": text,
        "replay": trainings[0].replay,
        "system": system,
        "before": float(np.mean([curve.bits_per_byte[0] for curve in curves])),
        "after": float(np.mean([curve.bits_per_byte[-1] for curve in curves])),
        "change": float(np.mean(changes)),
        "change_low": low,
        "change_high": high,
    }
