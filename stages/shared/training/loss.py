"""Cross-entropy of the next token, without ever holding the logits of a whole batch."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_flash_attention_utils import prepare_fa_kwargs_from_position_ids

from pipeline.errors import UserError
from stages.shared.training.batches import IGNORED
from stages.shared.training.plain_head import rescaled_logits

CHUNK_BYTES = {"cpu": 64 * 1024 * 1024, "cuda": 256 * 1024 * 1024}
"""Logits held at a time, as float32. Each chunk reads and writes the gradient of the whole head, so few are faster,
on a GPU above all; small ones stay in a processor's cache and take little memory."""


class ChunkedCrossEntropy(torch.autograd.Function):
    """Summed cross-entropy of `hidden @ weight.T`, its gradients computed in the forward pass chunk by chunk.

    Shapes: hidden (tokens, width), weight (vocabulary, width), labels (tokens,), of which IGNORED count for nothing.
    Products are of `dtype`, sums and the head's gradient of float32. Each chunk's log-probabilities become its gradient
    in place, so no logits are computed twice.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, chunk: int, dtype: torch.dtype) -> Tensor:
        """Return the sum over tokens in float32."""
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        # The table's copy is let go of after the last chunk, and its gradient is never rounded to `dtype`.
        rounded = weight.to(dtype)
        grad_hidden = torch.empty_like(hidden) if wants_hidden else None
        begun = torch.empty_like if len(hidden) else torch.zeros_like  # without a token no chunk fills it in
        grad_weight = begun(weight, dtype=torch.float32) if wants_weight else None
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        # Ignored tokens are left out by zeros in these two narrow matrices, not by one more way through the logits.
        ignored = labels[:, None] == IGNORED
        for first in range(0, len(hidden), chunk):
            rows = slice(first, first + chunk)
            part = hidden[rows].to(dtype).masked_fill(ignored[rows], 0)
            losses, error = _losses_and_error(part, rounded, labels[rows, None].clamp_min(0))
            total += losses.masked_fill_(ignored[rows], 0).sum()
            if grad_hidden is not None:
                _write_product(grad_hidden[rows], error, rounded)
            if grad_weight is not None:
                _add_product(grad_weight, error, part, first == 0)
        if grad_hidden is not None:
            grad_hidden.masked_fill_(ignored, 0)
        ctx.grad_hidden, ctx.grad_weight, ctx.weight_dtype = grad_hidden, grad_weight, weight.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        """Scale what forward left by the gradient of the sum."""
        (scale,) = gradients
        grad_hidden, grad_weight = ctx.grad_hidden, ctx.grad_weight
        ctx.grad_hidden = ctx.grad_weight = None
        return (
            None if grad_hidden is None else grad_hidden.mul_(scale),
            None if grad_weight is None else grad_weight.mul_(scale).to(ctx.weight_dtype),
            None,
            None,
            None,
        )


def _losses_and_error(part: Tensor, weight: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Return each token's loss, float32, and the gradient of a chunk's logits; losses and label: (tokens, 1)."""
    logits = part @ weight.T
    if not logits.is_cuda:
        logits = logits.float()  # CUDA's kernel reads bfloat16; others would hold this copy beside what it was made of
    log_shares = torch.log_softmax(logits, dim=1, dtype=torch.float32)
    del logits
    losses = -log_shares.gather(1, label)
    error = log_shares.exp_().scatter_add_(1, label, torch.full_like(losses, -1))
    return losses, error.to(part.dtype)


def _write_product(target: Tensor, error: Tensor, weight: Tensor) -> None:
    if error.dtype == target.dtype:
        torch.mm(error, weight, out=target)
    else:
        target.copy_(error @ weight)


def _add_product(total: Tensor, error: Tensor, part: Tensor, first: bool) -> None:
    """Add to the sum, or begin it: filling it with zeros before would be one more way through the memory."""
    kept = 0 if first else 1
    if error.dtype == total.dtype:
        total.addmm_(error.T, part, beta=kept)
    elif total.is_cuda:  # no other kernel adds to a wider sum than its factors; a product would be rounded before
        torch.addmm(total, error.T, part, out_dtype=total.dtype, beta=kept, out=total)
    elif first:
        total.copy_(error.T @ part)
    else:
        total += error.T @ part


class LossModel(nn.Module):
    """A causal language model that returns the summed loss of a batch instead of logits."""

    def __init__(self, model: nn.Module, by_document: bool) -> None:
        super().__init__()
        self.model = model
        self.by_document = by_document
        # FlashAttention tells documents apart in a single row alone; in more rows it would silently let them mix.
        self.in_one_row = by_document and "flash" in model.config._attn_implementation  # type: ignore[operator, union-attr]

    def forward(self, inputs: Tensor, labels: Tensor, positions: Tensor) -> Tensor:
        """Return the sum of the cross-entropy over all labels but IGNORED; all shapes (sequences, length)."""
        decoder: Any = self.model.get_decoder()  # type: ignore[operator]
        options: dict[str, Any] = {}
        if self.by_document:
            if self.in_one_row:
                inputs, positions = inputs.reshape(1, -1), positions.reshape(1, -1)
                options = _document_lengths(positions)
            # Without a mask transformers takes positions that begin anew for documents packed into one sequence.
            options["position_ids"] = positions
        hidden = decoder(input_ids=inputs, use_cache=False, **options).last_hidden_state
        weight: Tensor = self.model.get_output_embeddings().weight  # type: ignore[operator]
        hidden, labels = hidden.reshape(-1, hidden.shape[-1]), labels.reshape(-1)
        # On a GPU a look at the labels would wait for all that was started before.
        if labels.device.type == "cpu" and not bool((kept := labels != IGNORED).all()):
            hidden, labels = hidden[kept], labels[kept]
        return summed_loss(hidden, weight, labels)


def _document_lengths(positions: Tensor) -> dict[str, Any]:
    """Return where documents end in one row of positions, as FlashAttention's kernels for many lengths want it."""
    (queries, keys), (most_queries, most_keys) = prepare_fa_kwargs_from_position_ids(positions)  # type: ignore[no-untyped-call]
    return {
        "cu_seq_lens_q": queries,
        "cu_seq_lens_k": keys,
        "max_length_q": int(most_queries),
        "max_length_k": int(most_keys),
    }


def summed_loss(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """Return the summed cross-entropy of next tokens, in chunks that hold CHUNK_BYTES of float32 logits."""
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    chunk = max(1, CHUNK_BYTES[device] // (4 * len(weight)))
    with torch.autocast(device, enabled=False):
        loss: Tensor = ChunkedCrossEntropy.apply(hidden, weight, labels, chunk, dtype)  # type: ignore[no-untyped-call]
    return loss


def check_plain_head(model: nn.Module) -> None:
    """Raise UserError for a model whose logits are more than hidden states times the head's rows."""
    config: Any = model.config.get_text_config()  # type: ignore[operator, union-attr]
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    changed = rescaled_logits(config.to_dict())
    if getattr(head, "bias", None) is not None:
        changed.append("a bias in the head")
    if changed:
        raise UserError(
            f"{type(model).__name__} changes its logits ({', '.join(changed)}), which training does not do yet; "
            "choose a base model without, such as Llama or Mistral"
        )
