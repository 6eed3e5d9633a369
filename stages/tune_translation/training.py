"""A short training of all weights on encoded pairs, in one process; killed, it begins anew."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from pipeline.errors import UserError
from stages.shared.training.batches import IGNORED
from stages.shared.training.loss import summed_loss
from stages.tune_translation.examples import Example, make_batch
from stages.tune_translation.settings import ParallelTuningSettings


def train(
    model: Any, examples: Sequence[Example], settings: ParallelTuningSettings, micro_batch: int
) -> Iterator[dict[str, float]]:
    """Take the optimizer steps, and yield after each its number, mean loss of a learnt token (nats) and gradient norm.

    Raises UserError where the loss or the gradient is not finite.
    """
    torch.manual_seed(settings.seed)
    optimizer = make_optimizer(model, settings)
    steps = math.ceil(len(examples) / settings.step_pairs)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    model.train()
    for step in tqdm(range(steps), desc="tuning", unit="step", mininterval=1):
        chosen = examples[step * settings.step_pairs : (step + 1) * settings.step_pairs]
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate_share(step, steps, settings.warmup_share)
        loss = _accumulate(model, chosen, settings.precision, micro_batch)
        norm = float(nn.utils.clip_grad_norm_(weights, settings.max_grad_norm))
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise UserError(
                f"loss or gradient was not finite in step {step + 1} of {steps}: lower parallel_tuning.learning_rate "
                "and embedding_learning_rate, or use parallel_tuning.precision=float32"
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield {"step": step + 1, "loss": loss, "grad_norm": norm}
    model.eval()


def _accumulate(model: Any, examples: Sequence[Example], precision: str, micro_batch: int) -> float:
    """Add up the gradients of a step's mean loss over its learnt tokens, and return that loss."""
    learnt = sum(len(example.ids) - example.asked for example in examples)
    total = 0.0
    for first in range(0, len(examples), micro_batch):
        inputs, labels = make_batch(examples[first : first + micro_batch])
        device = model.device
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = pair_loss(model, torch.from_numpy(inputs).to(device), torch.from_numpy(labels).to(device))
        torch.autograd.backward(loss / learnt)
        total += float(loss.detach())
    return total / learnt


def pair_loss(model: Any, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the summed cross-entropy of the labels but IGNORED; shapes (pairs, length)."""
    hidden = model.get_decoder()(input_ids=inputs, use_cache=False).last_hidden_state
    kept = labels != IGNORED
    return summed_loss(hidden[kept], model.get_output_embeddings().weight, labels[kept])


def make_optimizer(model: Any, settings: ParallelTuningSettings) -> torch.optim.AdamW:
    """Return AdamW over all weights; each group knows its peak rate. Only the body's matrices decay."""
    tables = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for weight in model.parameters():
        table = id(weight) in tables
        peak = settings.embedding_learning_rate if table else settings.learning_rate
        decay = settings.weight_decay if weight.dim() > 1 and not table else 0.0
        groups.setdefault((peak, decay), []).append(weight)
    parameters = [{"params": weights, "peak": peak, "weight_decay": decay} for (peak, decay), weights in groups.items()]
    return torch.optim.AdamW(parameters, lr=0.0, betas=settings.betas)


def rate_share(step: int, steps: int, warmup_share: float) -> float:
    """Return the share of the peak learning rate at a step (from 0).

    >>> [round(rate_share(step, 4, 0.25), 2) for step in range(4)]
    [0.5, 0.85, 0.5, 0.15]
    """
    rise = round(warmup_share * steps)
    return min(1.0, (step + 1) / (rise + 1)) * 0.5 * (1 + math.cos(math.pi * step / steps))
