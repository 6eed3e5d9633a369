"""One optimizer step over a global batch, on any number of processes, and the loss on held-out text."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from stages.shared.training.batches import Blocks
from stages.shared.training.encoders import loss_model
from stages.shared.training.feeding import Feeder, to_device
from stages.shared.training.loss import LossModel
from stages.shared.training.parameters import Group, enter_phase
from stages.shared.training.schedule import Schedule
from stages.shared.training.sharding import let_train, number, release
from stages.shared.training.share import Share

SEED_STRIDE = 1_000_003


@dataclass(frozen=True)
class Training:
    """What does not change from step to step."""

    accelerator: Accelerator
    model: Any
    groups: list[Group]
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    data: Blocks
    share: Share
    sharded: LossModel | None = field(default=None, kw_only=True)
    """What gives the loss where the model is spread over the processes; it is wrapped once and for all phases."""

    @cached_property
    def feeder(self) -> Feeder:
        """What hands out this process' micro-batches; entered as a context manager it makes them ahead."""
        return Feeder(self.data, self.share, self.accelerator.device)

    @property
    def measures(self) -> bool:
        """Whether this process takes part in `mean_loss`: the first one, or all where each holds a part."""
        return self.accelerator.is_main_process or self.sharded is not None

    @property
    def has_buckets(self) -> bool:
        """Whether gradients lie in the buckets in which the processes exchange them."""
        return self.accelerator.num_processes > 1 and self.sharded is None

    @property
    def total_tokens(self) -> int:
        """Tokens of the whole training."""
        return len(self.data.tokens)

    def tokens_after(self, step: int) -> int:
        """Return the tokens seen in the first `step` optimizer steps."""
        if step >= self.schedule.steps:
            return self.total_tokens
        return step * self.share.global_batch * self.data.sequence_length


@dataclass(frozen=True)
class StepResult:
    """What one optimizer step came to."""

    loss: float
    """Mean over the predicted tokens of the global batch, nats."""
    grad_norm: float
    """Before clipping."""
    taken: bool
    """Whether the weights were changed by it."""

    @property
    def finite(self) -> bool:
        """Whether loss and gradient are numbers."""
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)


def take_step(
    training: Training, module: nn.Module, weights: list[nn.Parameter], step: int, most_loss: float = math.inf
) -> StepResult:
    """Take one optimizer step (from 0), unless loss or gradient is not finite or the loss is above `most_loss`."""
    optimizer = training.optimizer
    for group, options in zip(training.groups, optimizer.param_groups, strict=True):
        options["lr"] = group.learning_rate(training.schedule, step)
    mean = accumulate_gradients(training, module, step)
    norm = training.accelerator.clip_grad_norm_(weights, training.schedule.settings.max_grad_norm)
    # Clipping is started before either is read: on a GPU the first read waits for all that was started.
    loss, grad_norm = float(mean), number(norm)
    taken = math.isfinite(loss) and math.isfinite(grad_norm) and loss <= most_loss
    if taken:
        optimizer.step()
    optimizer.zero_grad(set_to_none=not training.has_buckets)
    return StepResult(loss, grad_norm, taken)


def accumulate_gradients(training: Training, module: nn.Module, step: int) -> Tensor:
    """Add up the gradients of a global batch's mean loss over all processes, and return that loss, float64."""
    accelerator, share, data = training.accelerator, training.share, training.data
    first = step * share.global_batch
    targets = data.targets(first, first + share.global_batch)
    # For dropout; drawn anew for each step, so that a resumed training needs no saved state. Other processes or
    # micro-batches have other draws for a sequence.
    torch.manual_seed(training.schedule.settings.seed * SEED_STRIDE + step * share.ranks + share.rank)
    last = len(share.rows(step, len(data)))
    total = torch.zeros((), dtype=torch.float64, device=accelerator.device)
    for place, batch in enumerate(training.feeder.batches(step), 1):
        # Sharded gradients are exchanged each time: else every process would hold them whole until the last.
        waits = place < last and training.sharded is None
        with accelerator.no_sync(module) if waits else nullcontext():
            with accelerator.autocast():
                loss = module(*batch)
            # Gradients are averaged over processes: multiplied back, they are those of the mean over all tokens.
            accelerator.backward(loss * (share.ranks / targets))
        total += loss.detach()
    summed: Tensor = total if accelerator.num_processes == 1 else accelerator.reduce(total, reduction="sum")
    return summed / targets


def uncompiled() -> AbstractContextManager[None]:
    """Return a context in which compiled layers run as they were written.

    For what is only looked at: torch.compile keeps few forms of a function (8), and its many shapes would use them up
    before the training has its own.
    """
    context: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return context


@torch.no_grad()
def mean_loss(training: Training, data: Blocks) -> float:
    """Return the mean loss over all predicted tokens of `data`, nats; for the processes that measure, and no other."""
    training.model.eval()
    module = training.sharded or loss_model(training.model, data)
    size, total = training.share.micro_batch, 0.0
    for first in tqdm(range(0, len(data), size), desc="validation loss", unit="batch", mininterval=1):
        batch = data.batch(list(range(first, min(first + size, len(data)))))
        with uncompiled(), training.accelerator.autocast():
            total += float(module(*to_device(batch, training.accelerator.device)))
    training.model.train()
    if training.sharded is not None:
        release(training.sharded)
    return total / data.targets(0, len(data))


def start_phase(training: Training, phase: int) -> tuple[nn.Module, list[nn.Parameter]]:
    """Let the weights of a phase have gradients; return the module that gives the loss, and these weights."""
    weights = enter_phase(training.model, training.groups, phase)
    if training.sharded is not None:
        let_train(training.sharded, dict(training.sharded.named_parameters()))
        return training.sharded, weights
    # DistributedDataParallel looks at requires_grad once: so each phase has a wrapper of its own.
    training.accelerator.free_memory()
    if training.has_buckets:
        # Gradients that are there when a model is wrapped are moved into its buckets, and stay. Ones that are not would
        # be made beside these in the first micro-batch, and held twice until the last one's are exchanged.
        for weight in weights:
            weight.grad = torch.zeros_like(weight)
    module = loss_model(training.model, training.data)
    return training.accelerator.prepare_model(module), weights
