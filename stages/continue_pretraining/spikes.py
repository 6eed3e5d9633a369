"""Which losses are too high to learn from."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from stages.shared.training.watching import SpikeSettings

LEAST_DEVIATION = 1e-3
"""Of the mean: losses that are all but equal, as with a learning rate of 0, make no spike of what rounding does."""


def highest_loss(recent: Sequence[float], settings: SpikeSettings | None) -> float:
    """Return the loss above which a step is left out, given those of the last steps, the newest at the end.

    Infinite while there are fewer than half a window of them. Mean and deviation are those of a moving window, as in
    OLMo-core's SkipStepOptimizer; unlike there, a loss far *below* the mean or an unusual gradient norm is no reason to
    leave a step out.

    >>> highest_loss([3.0, 3.2, 3.1, 2.9], SpikeSettings(deviations=6.0, window_steps=8)) < 4
    True
    >>> highest_loss([3.0, 3.2, 3.1], SpikeSettings(deviations=6.0, window_steps=8))
    inf
    """
    if settings is None or 2 * len(recent) < settings.window_steps:
        return math.inf
    window = recent[-settings.window_steps :]
    mean = fmean(window)
    return mean + settings.deviations * max(stdev(window), LEAST_DEVIATION * mean)


def remember(recent: Sequence[float], loss: float, settings: SpikeSettings) -> list[float]:
    """Return the window after a step with this loss, whether it was taken or not; what is not finite is passed over.

    Losses of steps left out count, as in OLMo-core: a text that stays harder raises mean and deviation until it is
    learnt from. Were they kept out, all that is left of the training would be left out.

    >>> remember([3.0, 3.2, 3.1, 2.9], 9.0, SpikeSettings(deviations=6.0, window_steps=4))
    [3.2, 3.1, 2.9, 9.0]
    """
    if not math.isfinite(loss):
        return list(recent)
    return [*recent, loss][-settings.window_steps :]
