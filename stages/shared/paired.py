"""Intervals of bootstrap samples, and what the difference of two systems says."""

from typing import Any

import numpy as np

from stages.shared.bootstrap import percentile_interval
from stages.shared.verdict import judge_gain


def interval(values: np.ndarray, confidence: float) -> tuple[float | None, float | None]:
    """Return the percentile interval of bootstrap samples."""
    if not len(values):
        return None, None
    return percentile_interval(values, confidence)


def compare_samples(difference: float, samples: np.ndarray, confidence: float) -> dict[str, Any]:
    """Return a difference of two systems with its interval, p-value and verdict; more is better.

    `samples` are the differences in each bootstrap sample, for which both were resampled with the same draws. The
    p-value is that of sacrebleu's paired bootstrap (Koehn 2004): how often a sample's difference is as far from the
    samples' mean as the difference is from 0.
    """
    low, high = interval(samples, confidence)
    p_value = None
    if len(samples):
        as_far = np.abs(samples - samples.mean()) >= abs(difference)
        p_value = float((as_far.sum() + 1) / (len(samples) + 1))
    found = {"difference": difference, "difference_low": low, "difference_high": high, "p_value": p_value}
    return found | {"verdict": judge_gain(low, high)}
