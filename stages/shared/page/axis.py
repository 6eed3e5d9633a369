"""Round numbers for the axis of a chart."""

import math

TICKS = 5


def axis(low: float, high: float) -> list[float]:
    """Return the round numbers, about five, that an axis from `low` to `high` shows, the ends included or passed.

    >>> axis(0, 7.9)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / TICKS))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if span / (power * factor) <= TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    return [round(number * step, 10) for number in range(first, last + 1)]
