"""What the interval of a difference says, in words."""

WORSE, TIE, BETTER, UNKNOWN = "worse", "tie", "better", "unknown"
ORDER = (WORSE, TIE, UNKNOWN, BETTER)
"""Bad news first."""
PHRASES = {WORSE: "worse than", TIE: "tied with", UNKNOWN: "not comparable with", BETTER: "better than"}


def judge(low: float | None, high: float | None) -> str:
    """Return what the interval of a difference in bits per byte says: fewer are better, one that holds 0 is a tie."""
    if low is None or high is None:
        return UNKNOWN
    if low > 0:
        return WORSE
    return BETTER if high < 0 else TIE


def judge_gain(low: float | None, high: float | None) -> str:
    """Return what the interval of a difference in a score says, of which more is better."""
    return judge(None if high is None else -high, None if low is None else -low)


def signed(value: float) -> str:
    """Return a number with its sign and three decimals.

    >>> signed(-0.1234), signed(0.00001)
    ('−0.123', '+0.000')
    """
    return f"{value:+.3f}".replace("-", "−")
