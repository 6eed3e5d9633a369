"""LoRA: low-rank matrices beside the body's, put in before training and merged after it.

Names stay those of the model but for the layers that get an adapter: `X.weight` becomes `X.base_layer.weight`, and
`X.lora_A.default.weight` and `X.lora_B.default.weight` stand beside it.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from pipeline.errors import UserError
from stages.shared.training.settings import AdapterSettings, NoAdapter

PEFT_NAME = "default"
HELD, ADDED = ".base_layer.", ".lora_"


def add_adapters(model: nn.Module, adapter: AdapterSettings, seed: int) -> None:
    """Put an adapter, where one is wanted, beside each of the target modules; the model computes what it did before.

    A (rank, inputs) is drawn uniformly from +-1/sqrt(inputs), the same on every device; B (outputs, rank) begins at 0.
    Raises UserError where the model has no such module.
    """
    if isinstance(adapter, NoAdapter):
        return
    from peft import LoraConfig, inject_adapter_in_model  # not imported by trainings without adapters

    targets = set(adapter.target_modules)
    linear = {name.rpartition(".")[2] for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    if missing := sorted(targets - linear):
        raise UserError(
            f"training.adapter.target_modules: {type(model).__name__} has no linear layer {', '.join(missing)}; "
            f"it has {', '.join(sorted(linear))}"
        )
    config = LoraConfig(
        r=adapter.r, lora_alpha=adapter.alpha, lora_dropout=adapter.dropout, target_modules=list(targets)
    )
    inject_adapter_in_model(config, model, PEFT_NAME)
    generator = torch.Generator().manual_seed(seed)
    for _, layer in _layers(model):
        first: torch.Tensor = layer.lora_A[PEFT_NAME].weight
        bound = 1 / math.sqrt(first.shape[1])
        first.data = torch.empty(first.shape).uniform_(-bound, bound, generator=generator).to(first.device)


def merge_adapters(model: nn.Module, read: Callable[[str], torch.Tensor]) -> None:
    """Add what the adapters learnt to the weights beside which they stand; the model computes what it did before.

    Weights that were rounded for the training are read again, by their names in the model's files, and are in float32
    and in the main memory from then on: a device that had room for the rounded ones need not have it for these.
    """
    for name, layer in _layers(model):
        weight = layer.base_layer.weight
        rounded = weight.dtype != torch.float32
        if rounded:
            weight.data = read(f"{name}.weight").to(weight.device, torch.float32)
        layer.merge(safe_merge=False)
        if rounded:
            weight.data = weight.data.cpu()


def is_adapter(name: str) -> bool:
    """Tell whether a weight is an adapter's.

    >>> is_adapter("model.layers.0.self_attn.q_proj.lora_A.default.weight")
    True
    """
    return ADDED in name


def file_name(name: str) -> str:
    """Return the name of the tensor in the model's files in which a weight ends.

    >>> file_name("layers.0.q_proj.lora_A.default.weight"), file_name("layers.0.q_proj.base_layer.weight")
    ('layers.0.q_proj.weight', 'layers.0.q_proj.weight')
    """
    if is_adapter(name):
        return f"{name.partition(ADDED)[0]}.weight"
    return name.replace(HELD, ".")


def plain_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the model's weights without the adapters', by the names that they have in its files; tied ones by each."""
    named = model.named_parameters(remove_duplicate=False)
    return {file_name(name): weight for name, weight in named if not is_adapter(name)}


def _layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield the layers with an adapter, by name."""
    for name, part in model.named_modules():
        if hasattr(part, "lora_A") and hasattr(part, "base_layer"):
            yield name, part
