"""A base model, none of whose weights change, that reads with tables of another vocabulary."""

from typing import Any

import torch

from pipeline.errors import UserError


def check_device(part: str, device: str) -> None:
    """Raise UserError where the device that a part of the mapping is to run on is missing."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{part} is to run on cluster.device=cuda, but torch sees no GPU; choose cluster=local")


def reading_dtype(stored: torch.dtype, device: str) -> torch.dtype:
    """Return what a model computes in that only reads: what its files are stored in, on a processor float32."""
    return torch.float32 if device == "cpu" else stored


def frozen(model: Any, device: str) -> Any:
    """Return the model on the device, ready to read with an input table of any size."""
    # An id of the source vocabulary, which a smaller new one may not reach; torch then refuses to look anything up.
    model.get_input_embeddings().padding_idx = None
    return model.to(device).eval().requires_grad_(False)
