"""Which of several answers does a model think most likely?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def choice_nll(model: Any, prompt: Sequence[int], choices: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the negative log-likelihood in nats of each choice behind a prompt, float64, shape (choices,).

    `choices` are token ids of prompt and choice together; only what follows their common beginning with the prompt is
    counted, so that a tokenizer may cut the prompt's end another way.
    """
    shared = [common_length(prompt, choice) for choice in choices]
    longest, first = max(map(len, choices)), min(shared)
    ids = torch.tensor([[*choice, *[choice[0]] * (longest - len(choice))] for choice in choices]).to(model.device)
    with torch.inference_mode():
        # Padding stands on the right, where a causal model's earlier positions never see it: no mask is needed.
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=longest - first + 1).logits
    found = np.empty(len(choices))
    for row, (choice, begin) in enumerate(zip(choices, shared, strict=True)):
        predicted = logits[row, begin - first : len(choice) - first].float()
        losses = torch.nn.functional.cross_entropy(predicted, ids[row, begin : len(choice)], reduction="none")
        found[row] = losses.double().sum().item()
    return found


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many ids at the beginning are the same.

    >>> common_length([1, 2, 3], [1, 2, 4, 5])
    2
    """
    differing = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))
