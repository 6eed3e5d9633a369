"""How fast a training goes, and in how much memory: tokens a second, and the share of what the device could do."""

import resource
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from stages.shared.training.operations import attention_width, operations_per_token
from stages.shared.training.parameters import embedding_names


@dataclass(frozen=True)
class Speedometer:
    """Makes figures of a step's seconds."""

    flops_per_token: float
    """That the model needs, not those that are really done."""
    peak_flops_per_second: float | None
    """Of all processes together; None where it is not known."""

    def figures(self, tokens: int, seconds: float) -> dict[str, Any]:
        """Return what is written of one step; `mfu` is None where the devices' peak is not known."""
        rate = tokens / seconds
        peak = self.peak_flops_per_second
        return {
            "seconds": round(seconds, 4),
            "tokens_per_s": round(rate, 2),
            "mfu": round(rate * self.flops_per_token / peak, 4) if peak else None,
            "peak_memory_gb": round(peak_memory_bytes() / 1e9, 3),
        }


def flops_per_token(model: Any, sequence_length: int) -> float:
    """Return the floating-point operations that a training step of a model needs for one token as it is trained now.

    An input table that is no head is looked up, not multiplied.
    """
    config = model.config.get_text_config()
    head: nn.Parameter = model.get_output_embeddings().weight
    multiplied = trained = 0
    tables = embedding_names(model)
    for name, weight in model.named_parameters():
        if name not in tables or weight is head:
            multiplied += weight.numel()
            trained += weight.numel() if weight.requires_grad else 0
    return operations_per_token(multiplied, trained, attention_width(config) * sequence_length)


def peak_memory_bytes() -> int:
    """Return the most memory that this process held, on the GPU where it has one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
