"""Perplexity, and its two normalisations across tokenizers."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class NormalizedPerplexity:
    """One perplexity stated for the tokens of a reference tokenizer in two ways, which rank systems differently."""

    token_ratio: float | None
    """Perplexity times the ratio of the token counts: "normalized PPL" of Trans-Tokenization (arXiv 2408.04303)."""
    mielke: float | None
    """The ratio in the exponent: the perplexity per reference token (Mielke 2019)."""


def perplexity(nll_per_token: float) -> float | None:
    """Return e to the mean negative log-likelihood in nats; None where no float can hold it."""
    try:
        return math.exp(nll_per_token)
    except OverflowError:
        return None


def normalized_perplexity(nll_per_token: float, tokens: int, reference_tokens: int) -> NormalizedPerplexity:
    """Return both normalisations of a model that needs `tokens` where the reference tokenizer needs others.

    >>> found = normalized_perplexity(3.1321, tokens=8116, reference_tokens=3081)
    >>> round(found.token_ratio, 2), round(found.mielke)
    (60.38, 3830)
    """
    ratio = tokens / reference_tokens
    plain = perplexity(nll_per_token)
    return NormalizedPerplexity(None if plain is None else plain * ratio, perplexity(nll_per_token * ratio))
