"""Weights that no phase trains, held as they are multiplied."""

import torch
from torch import nn

from stages.shared.training.adapters import is_adapter
from stages.shared.training.parameters import Group, embedding_names


def round_frozen(model: nn.Module, groups: list[Group]) -> None:
    """Hold the matrices of the body that no phase trains in bfloat16, in place; losses and gradients stay the same.

    For products in bfloat16: autocast would round these weights in every forward pass, to the same values. Norms and
    tables it does not round. Adapters, trained or not, stay as they are: what goes into one takes its precision, in
    which dropout would then be drawn.
    """
    weights = dict(model.named_parameters())
    trained = {name for group in groups for name in group.names}
    kept = {id(weights[name]) for name in trained | embedding_names(model)}
    for name, layer in model.named_modules():
        # A layer of a class of its own may do more with its weight than multiply.
        if type(layer) is nn.Linear and id(layer.weight) not in kept and not is_adapter(f"{name}.weight"):
            layer.weight.data = layer.weight.data.to(torch.bfloat16)
