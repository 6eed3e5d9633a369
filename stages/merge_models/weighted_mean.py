"""The weighted mean of two tensors."""

import torch
from torch import Tensor


def weighted_mean(one: Tensor, other: Tensor, weight: float) -> Tensor:
    """Return (1 - weight) of one and weight of the other, in their dtype and shape.

    Computed in float32 (float64 for such tensors) and rounded once. Weight 0 and 1 give either tensor bit for bit, and
    numbers that are equal in both stay as they are.

    >>> weighted_mean(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 3.0]), 0.25)
    tensor([1.2500, 3.0000])
    """
    if weight in (0, 1):
        return other if weight else one
    exact = torch.float64 if one.dtype == torch.float64 else torch.float32
    mean = one.to(exact) * (1 - weight) + other.to(exact) * weight
    return torch.where(one == other, one, mean.to(one.dtype))
