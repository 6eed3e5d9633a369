"""Token Distillation: new rows trained until the model's hidden states are those of the source model on the same text.

Dobler, Elliott and de Melo (2026, arXiv 2505.20133) train rows for a few tokens added to a vocabulary. Here the whole
vocabulary is another, so all rows of a passage are trained at once, and states are compared after each token that ends
where a source token does, as MATT does with its segments (Haltiuk and Smywinski-Pohl, arXiv 2510.21954).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from pipeline.errors import UserError
from stages.map_embeddings.frozen_model import check_device, frozen, reading_dtype
from stages.map_embeddings.matched_text import Passage, padded
from stages.shared.loading import load_causal_model
from stages.shared.training.loss import check_plain_head, summed_loss


@dataclass(frozen=True)
class Tables:
    """Rows that a model reads with and predicts with, shape (tokens, hidden); one tensor twice where they are tied."""

    read: Tensor
    head: Tensor


@dataclass(frozen=True)
class Losses:
    """How far a model with new rows is from the source model, and from the text; scalars."""

    hidden: Tensor
    """Squared distance of the hidden states after the same text, a share of the source's squared norm."""
    next_token: Tensor
    """Mean cross-entropy of the next token, nats; 0 where it was not asked for."""


class Distiller:
    """The base model, none of whose weights ever change, reading with its own rows or with others."""

    def __init__(self, base_model: Path, layers: int | None, dtype: torch.dtype, device: str) -> None:
        check_device("the warm-up", device)
        model = load_causal_model(base_model, training_dtype(dtype, device))
        check_plain_head(model)
        self.model: Any = frozen(model, device)
        if layers is not None:
            keep_layers(self.model, layers)

    @property
    def positions(self) -> int:
        """Tokens that the model can read at once."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or sys.maxsize)

    @torch.no_grad()
    def source_states(self, passages: Sequence[Passage]) -> Tensor:
        """Return the source model's states at the matches of all passages, float32, shape (matches, hidden)."""
        rows = self._rows([passage.source for passage in passages])
        states = self.model.get_decoder()(input_ids=rows, use_cache=False).last_hidden_state
        return at_places(states, [passage.source_places for passage in passages])

    def losses(self, passages: Sequence[Passage], wanted: Tensor, tables: Tables, predicts: bool) -> Losses:
        """Compare the model that has the new rows with the source model's states, and with the text if it `predicts`.

        Gradients reach the tables, and nothing else.
        """
        rows, dtype = self._rows([passage.target for passage in passages]), self.model.dtype
        # The model's own module, which may do more than look up: Gemma's scales what it finds.
        read = functional_call(self.model.get_input_embeddings(), {"weight": tables.read.to(dtype)}, (rows,))
        states = self.model.get_decoder()(inputs_embeds=read, use_cache=False).last_hidden_state
        own = at_places(states, [passage.target_places for passage in passages])
        hidden = (own - wanted).square().sum() / wanted.square().sum()
        if not predicts:
            return Losses(hidden, torch.zeros((), device=hidden.device))
        lengths = [len(passage.target) for passage in passages]
        before = torch.cat([states[row, : length - 1] for row, length in enumerate(lengths)])
        following = torch.cat([rows[row, 1:length] for row, length in enumerate(lengths)])
        return Losses(hidden, summed_loss(before, tables.head.to(dtype), following) / len(following))

    def _rows(self, ids: Sequence[Any]) -> Tensor:
        return torch.from_numpy(padded(ids)).to(self.model.device)


def training_dtype(stored: torch.dtype, device: str) -> torch.dtype:
    """Return what a model computes in that gradients go through: bfloat16 in the place of float16.

    Gradients of 2e-7 are three of float16's smallest steps (6e-8), and smaller ones would be 0 in it.
    """
    dtype = reading_dtype(stored, device)
    return torch.bfloat16 if dtype == torch.float16 else dtype


def at_places(states: Tensor, places: Sequence[Any]) -> Tensor:
    """Return the states of each row of a batch at its places, float32, shape (places of all rows, hidden)."""
    found = [states[row, torch.from_numpy(wanted)] for row, wanted in enumerate(places)]
    return torch.cat(found).float()


def keep_layers(model: Any, layers: int) -> None:
    """Leave the first `layers` layers in place, with the last one's norm behind them; raise UserError for too many."""
    decoder = model.get_decoder()
    name = next((name for name in ("layers", "h") if hasattr(decoder, name)), None)
    there = len(getattr(decoder, name)) if name else 0
    if layers > there:
        raise UserError(
            f"distillation.layers={layers}: {type(model).__name__} has {there} layers that can be told apart; give at "
            "most so many, or null for all"
        )
    model.config.get_text_config().num_hidden_layers = layers
    setattr(decoder, str(name), getattr(decoder, str(name))[:layers])
