"""The negative log-likelihood that a model gives to documents."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from pipeline.errors import UserError
from stages.shared.scoring.windows import Window, cut_windows, make_batches

CHUNK = 256
"""Tokens whose log-softmax is computed at a time, so that no second copy of a batch's logits is made."""


def score_documents(model: Any, documents: Sequence[Sequence[int]], window: int, batch_tokens: int) -> np.ndarray:
    """Return the nll in nats of each document, float64, shape (documents,): the sum over all tokens but the first.

    `documents` are token ids, each begun by its start token. Raises UserError where the model gives no finite number.
    """
    nll = np.zeros(len(documents))
    windows = cut_windows([len(ids) for ids in documents], window)
    batches = make_batches(windows, batch_tokens)
    total = sum(piece.scored for piece in windows)
    with torch.inference_mode(), tqdm(total=total, desc="scoring", unit="tok", unit_scale=True) as progress:
        for batch in batches:
            for piece, part in zip(batch, _score_batch(model, documents, batch), strict=True):
                nll[piece.document] += part
                progress.update(piece.scored)
    if not np.isfinite(nll).all():
        number = int(np.flatnonzero(~np.isfinite(nll))[0]) + 1
        raise UserError(f"the model gives no finite loss for document {number}: its weights are damaged or overflow")
    return nll


def _score_batch(model: Any, documents: Sequence[Sequence[int]], batch: Sequence[Window]) -> list[float]:
    ids = torch.zeros(len(batch), len(batch[0]), dtype=torch.long)
    for row, piece in enumerate(batch):
        ids[row, : len(piece)] = torch.tensor(documents[piece.document][piece.start : piece.end])
    ids = ids.to(model.device)
    # Padding stands on the right, where a causal model's earlier positions never see it: no mask is needed.
    logits = model(input_ids=ids, use_cache=False).logits
    return [_window_nll(logits[row], ids[row], piece) for row, piece in enumerate(batch)]


def _window_nll(logits: torch.Tensor, ids: torch.Tensor, piece: Window) -> float:
    """Return the summed nll of the window's last tokens; `logits` has the shape (tokens, vocabulary)."""
    total = 0.0
    for first in range(len(piece) - piece.scored, len(piece), CHUNK):
        last = min(first + CHUNK, len(piece))
        losses = torch.nn.functional.cross_entropy(
            logits[first - 1 : last - 1].float(), ids[first:last], reduction="none"
        )
        total += losses.double().sum().item()
    return total
