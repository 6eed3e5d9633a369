"""The masked objective: an encoder, its tokenizer's ids, and the loss on hidden tokens alone."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig

from pipeline.errors import UserError
from stages.shared.loading import load_masked_model, load_tokenizer, predicts_masked
from stages.shared.model_folder import padding_position
from stages.shared.training.batches import Blocks
from stages.shared.training.loss import LossModel
from stages.shared.training.masking import MaskedBlocks, Vocabulary

CHECKED_TOKENS = 8


def read_vocabulary(folder: Path) -> Vocabulary:
    """Read the ids from the tokenizer beside a model. Raises UserError where it has no mask or no padding."""
    tokenizer = load_tokenizer(folder)
    for role in ("mask", "pad"):
        if getattr(tokenizer, f"{role}_token_id") is None:
            raise UserError(f"the tokenizer in {folder} has no {role} token, which training.objective=masked needs")
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
    return Vocabulary(tokenizer.mask_token_id, tokenizer.pad_token_id, ordinary)


class MaskedLossModel(nn.Module):
    """An encoder that returns the summed loss of a batch's hidden tokens; the head sees these alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, labels: Tensor, places: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return the sum of the cross-entropy over the hidden tokens, float32.

        Shapes: inputs (sequences, length); labels, and places among all tokens, (hidden tokens,); seen as the inputs,
        0 for padding, None where there is none.
        """
        body: Any = self.model.base_model
        mask = {} if seen is None else {"attention_mask": seen}
        hidden = body(input_ids=inputs, **mask).last_hidden_state.flatten(0, 1)
        logits = head_logits(self.model, hidden.index_select(0, places))
        return nn.functional.cross_entropy(logits.float(), labels, reduction="sum")


def head_logits(model: nn.Module, hidden: Tensor) -> Tensor:
    """Return what the parts that come after an encoder's body make of hidden states, shape (tokens, vocabulary)."""
    for part in model.children():
        if part is not model.base_model:
            hidden = part(hidden)
    return hidden


def loss_model(model: nn.Module, data: Blocks) -> nn.Module:
    """Return the model with the loss that belongs to its sequences."""
    if isinstance(data, MaskedBlocks):
        return MaskedLossModel(model)
    return LossModel(model, data.by_document)


def check_head(model: Any) -> None:
    """Raise UserError where `head_logits` is not what the model itself predicts."""
    ids = torch.arange(CHECKED_TOKENS)[None] + model.config.vocab_size // 2
    with torch.no_grad():
        expected = model(input_ids=ids).logits[0]
        try:
            found = head_logits(model, model.base_model(input_ids=ids).last_hidden_state[0])
            same = found.shape == expected.shape and torch.allclose(found, expected, atol=1e-4)
        except (TypeError, RuntimeError):  # parts that are no layers, or of other widths
            same = False
    if not same:
        raise UserError(
            f"the head of {type(model).__name__} is not what comes after its body, so it cannot be trained here; "
            "choose an encoder such as RoBERTa, BERT or ModernBERT"
        )


def load_encoder(folder: Path, sequence_length: int) -> Any:
    """Load an encoder to train, its weights in float32.

    Raises UserError where it is none, too short for the sequences, or has a head that is not its last parts in a row.
    """
    if not predicts_masked(AutoConfig.from_pretrained(folder)):
        raise UserError(f"the model in {folder} is no encoder: give training.objective=causal")
    model = load_masked_model(folder, torch.float32)
    padding = padding_position(model)
    longest = model.config.max_position_embeddings - (0 if padding is None else padding + 1)
    if sequence_length > longest:
        raise UserError(
            f"training.sequence_length={sequence_length} is more than the {longest} positions of the model in "
            f"{folder}; give at most {longest}"
        )
    check_head(model.eval())
    return model
