"""What a token costs in training, in floating-point operations."""

from typing import Any


def attention_width(config: Any) -> int:
    """Return the width of all attention heads of a decoder together, over all of its layers.

    Of Gemma and Qwen3 the heads of a layer are wider than the model.
    """
    heads = config.num_attention_heads
    head_width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int(config.num_hidden_layers * heads * head_width)


def operations_per_token(multiplied: int, trained: int, attention: int) -> float:
    """Return the floating-point operations that a training step needs for one token.

    `multiplied` weights are multiplied with each token, and `trained` of these are trained: 4 for each of the first and
    2 more for each of the second, which are the 6 of Kaplan et al. (2020) where all are trained. `attention` is
    `attention_width` x sequence length: 12 for each, not halved for the causal mask (PaLM, appendix B).

    >>> operations_per_token(multiplied=1000, trained=1000, attention=50)
    6600.0
    """
    return float(4 * multiplied + 2 * trained + 12 * attention)
