"""Cross-entropy of the next token, without ever holding the logits of a whole batch."""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from stages.shared.training.batches import IGNORED

CHUNK_BYTES = 32 * 1024 * 1024
"""Logits held at a time; on CPU small ones are faster than all at once, since they stay in the cache."""
RESCALED_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")


class ChunkedCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy of `hidden @ weight.T`, its gradients computed in the forward pass chunk by chunk.

    Shapes: hidden (tokens, width), weight (vocabulary, width), labels (tokens,). Each chunk's logits become its
    gradient in place, so no logits are computed twice.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, chunk: int) -> Tensor:
        """Return the sum over tokens in float32."""
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        grad_hidden = torch.empty_like(hidden) if wants_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if wants_weight else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        for first in range(0, len(hidden), chunk):
            part, label = hidden[first : first + chunk], labels[first : first + chunk, None]
            logits = (part @ weight.T).float()
            normalizer = torch.logsumexp(logits, dim=1, keepdim=True)
            total += (normalizer - logits.gather(1, label)).sum()
            if grad_hidden is None and grad_weight is None:
                continue
            error = logits.sub_(normalizer).exp_()
            error.scatter_add_(1, label, torch.full_like(normalizer, -1.0))
            error = error.to(hidden.dtype)
            if grad_hidden is not None:
                torch.mm(error, weight, out=grad_hidden[first : first + chunk])
            if grad_weight is not None:
                _add_product(grad_weight, error, part)
        ctx.grad_hidden, ctx.grad_weight = grad_hidden, grad_weight
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """Scale what forward left by the gradient of the sum."""
        (scale,) = gradients
        grad_hidden, grad_weight = ctx.grad_hidden, ctx.grad_weight
        ctx.grad_hidden = ctx.grad_weight = None
        return (
            None if grad_hidden is None else grad_hidden.mul_(scale),
            None if grad_weight is None else grad_weight.mul_(scale),
            None,
            None,
        )


def _add_product(total: Tensor, error: Tensor, part: Tensor) -> None:
    if error.dtype == total.dtype:
        total.addmm_(error.T, part)
    else:
        total += error.T @ part


class LossModel(nn.Module):
    """A causal language model that returns the summed loss of a batch instead of logits."""

    def __init__(self, model: nn.Module, by_document: bool) -> None:
        super().__init__()
        self.model = model
        self.by_document = by_document

    def forward(self, inputs: Tensor, labels: Tensor, positions: Tensor) -> Tensor:
        """Return the sum of the cross-entropy over all labels but IGNORED; all shapes (sequences, length)."""
        # Without a mask transformers takes positions that begin anew for documents packed into one sequence.
        told_apart = {"position_ids": positions} if self.by_document else {}
        decoder: Any = self.model.get_decoder()  # type: ignore[operator]
        hidden = decoder(input_ids=inputs, use_cache=False, **told_apart).last_hidden_state
        weight: Tensor = self.model.get_output_embeddings().weight  # type: ignore[operator]
        kept = labels.reshape(-1) != IGNORED
        hidden, labels = hidden.reshape(-1, hidden.shape[-1]), labels.reshape(-1)
        if not bool(kept.all()):
            hidden, labels = hidden[kept], labels[kept]
        return summed_loss(hidden, weight, labels)


def summed_loss(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """Return the summed cross-entropy of next tokens, in chunks that hold CHUNK_BYTES of float32 logits."""
    if torch.is_autocast_enabled(hidden.device.type):
        hidden, weight = (part.to(torch.get_autocast_dtype(hidden.device.type)) for part in (hidden, weight))
    chunk = max(1, CHUNK_BYTES // (4 * len(weight)))
    with torch.autocast(hidden.device.type, enabled=False):
        loss: Tensor = ChunkedCrossEntropy.apply(hidden, weight, labels, chunk)  # type: ignore[no-untyped-call]
    return loss


def check_plain_head(model: nn.Module) -> None:
    """Raise UserError for a model whose logits are more than hidden states times the head's rows."""
    config: Any = model.config.get_text_config()  # type: ignore[operator, union-attr]
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    changed = [name for name in RESCALED_LOGITS if getattr(config, name, None) not in (None, 1, 1.0)]
    if getattr(head, "bias", None) is not None:
        changed.append("a bias in the head")
    if changed:
        raise UserError(
            f"{type(model).__name__} changes its logits ({', '.join(changed)}), which training does not do yet; "
            "choose a base model without, such as Llama or Mistral"
        )
