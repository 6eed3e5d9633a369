"""Weights, gradients and optimizer state spread over the training processes (FSDP2, arXiv 2304.11277).

Each layer is gathered where it computes; embeddings, last norm and head stay gathered from forward to backward. What
leaves the training - checkpoints, the finished model - is whole tensors, as of one process, so that any number of
processes can go on from them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.modeling_layers import GradientCheckpointingLayer

from pipeline.errors import UserError

Shapes = list[tuple[str, tuple[int, ...]]]
"""Of a model's weights, by name and in order; a tied one is there once."""


def layers(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of a transformer, in order."""
    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def shard(loss_model: nn.Module, precision: str, accelerator: Accelerator) -> None:
    """Spread the first process' model over all of them, in place; weights become DTensors, on the processes' devices.

    `precision` of the matrix products, float32 or bfloat16. To be done before the optimizer is made, which would keep
    the whole weights otherwise. Raises UserError where the others' models have other weights.
    """
    mine: Shapes = [(name, tuple(weight.shape)) for name, weight in loss_model.named_parameters()]
    told = [mine]
    broadcast_object_list(told, from_process=0)
    check_alike(told[0], mine)
    main = accelerator.is_main_process
    values = {name: weight.detach() for name, weight in loss_model.named_parameters() if main}
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    # What autocast would round goes over the wire rounded; what it keeps - the residual stream, which begins in the
    # embeddings, and the final norm - stays float32, so that the losses are those of one process.
    rounded = torch.bfloat16 if precision == "bfloat16" else None
    inner = MixedPrecisionPolicy(param_dtype=rounded, reduce_dtype=torch.float32, cast_forward_inputs=False)
    outer = MixedPrecisionPolicy(reduce_dtype=torch.float32, cast_forward_inputs=False)
    for layer in layers(loss_model):
        fully_shard(layer, mesh=mesh, mp_policy=inner)
    fully_shard(loss_model, mesh=mesh, mp_policy=outer)
    with torch.no_grad():
        for name, weight in loss_model.named_parameters():
            _receive(weight, values.pop(name, None))
        for buffer in loss_model.buffers():
            distributed.broadcast(buffer, src=0)


def check_alike(first: Shapes, mine: Shapes) -> None:
    """Raise UserError where the first process' model has other weights than this one's, which follows config.json."""
    if first != mine:
        name, shape = min(set(first) ^ set(mine))
        raise UserError(
            f"the model's files and its config.json differ in '{name}', {' x '.join(map(str, shape))} (does the config "
            "tie a head that the files have another one of?); mend the config, or give cluster.sharding=none"
        )


def _receive(weight: Any, value: Tensor | None) -> None:
    """Fill a spread weight with a whole one that the first process has; one weight at a time is whole elsewhere."""
    if value is None:
        value = torch.empty(weight.shape, dtype=weight.dtype, device=weight.device)
    weight.copy_(distribute_tensor(value, weight.device_mesh, weight.placements))


def let_train(loss_model: nn.Module, weights: Mapping[str, nn.Parameter]) -> None:
    """Let the gathered weights have gradients exactly where their shards have.

    FSDP asks a shard only when it gathers it for the first time. `weights` are the shards by their names in
    `loss_model`.
    """
    wanted = {name: weight.requires_grad for name, weight in weights.items()}
    for prefix, module in _sharded_modules(loss_model):
        module.unshard()
        for name, weight in module.named_parameters(prefix=prefix):
            weight.requires_grad_(wanted[name])
        module.reshard()


def release(loss_model: nn.Module) -> None:
    """Let go of what a forward pass without a backward pass left gathered."""
    for _, module in _sharded_modules(loss_model):
        module.reshard()


def whole(tensors: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Return the whole of tensors that may be spread over the processes, in the main memory; empty without `keep`.

    All processes must call it with the same names; one tensor at a time is gathered. What is not spread comes back as
    it is.
    """
    gathered = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, DTensor):
            tensor = tensor.full_tensor()
            tensor = tensor.cpu() if keep else tensor
        if keep:
            gathered[name] = tensor
    return gathered


def like(weight: Tensor, tensor: Tensor) -> Tensor:
    """Return this process' part of a whole tensor that belongs to a weight: its values, or a moment of its gradient.

    A copy on the weight's device; whole where the weight is, or where the tensor is of another shape (a counter).
    """
    copied = tensor.clone().to(weight.device)
    if isinstance(weight, DTensor) and copied.shape == weight.shape:
        # Every process has read the whole, so that none needs to send.
        return distribute_tensor(copied, weight.device_mesh, weight.placements, src_data_rank=None)
    return copied


def number(value: Tensor) -> float:
    """Return the value of a scalar that may be spread over the processes."""
    return float(value.full_tensor() if isinstance(value, DTensor) else value)


def _sharded_modules(loss_model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in loss_model.named_modules():
        if isinstance(module, FSDPModule):
            yield name, module
