"""Which losses are too high to learn from."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from stages.shared.training.watching import SpikeSettings


def highest_loss(recent: Sequence[float], settings: SpikeSettings | None) -> float:
    """Return the loss above which a step is left out, given those of the steps taken last, the newest at the end.

    Infinite while there are fewer than half a window of them. As in OLMo-core's SkipStepOptimizer, for which mean and
    deviation are those of the window; a step that was left out has no part in them.

    >>> highest_loss([3.0, 3.2, 3.1, 2.9], SpikeSettings(deviations=6.0, window_steps=8)) < 4
    True
    >>> highest_loss([3.0, 3.2, 3.1], SpikeSettings(deviations=6.0, window_steps=8))
    inf
    """
    if settings is None or 2 * len(recent) < settings.window_steps:
        return math.inf
    window = recent[-settings.window_steps :]
    return fmean(window) + settings.deviations * stdev(window)
