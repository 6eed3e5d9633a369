"""What a token costs in training, in floating-point operations."""


def operations_per_token(multiplied: int, trained: int, attention: int) -> float:
    """Return the floating-point operations that a training step needs for one token.

    `multiplied` weights are multiplied with each token, and `trained` of these are trained: 4 for each of the first and
    2 more for each of the second, which are the 6 of Kaplan et al. (2020) where all are trained. `attention` is layers
    x width x sequence length: 12 for each, not halved for the causal mask (PaLM, appendix B).

    >>> operations_per_token(multiplied=1000, trained=1000, attention=50)
    6600.0
    """
    return float(4 * multiplied + 2 * trained + 12 * attention)
