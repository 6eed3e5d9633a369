"""Mirostat 2 (Basu et al. 2021), which transformers does not have."""

import math

import torch
from torch import Tensor
from transformers import LogitsProcessor

from stages.shared.decoding.settings import Mirostat2Settings


class Mirostat2(LogitsProcessor):
    """Leaves the tokens whose surprise is at most a limit, which follows the surprise of what was drawn.

    Algorithm 2 of "Mirostat: a neural text decoding algorithm that directly controls perplexity": the limit mu begins
    at twice the goal tau, and after each token falls by eta times what its surprise is above tau. The surprise is that
    of the whole distribution, as in the paper; llama.cpp takes that of the shortened one. Each row of a batch has a
    limit of its own. Holds the state of one `generate`: make a new one for each.
    """

    def __init__(self, settings: Mirostat2Settings) -> None:
        self.settings = settings
        self.limit: Tensor | None = None
        """In bits, shape (rows,); None before the first token."""
        self.surprise: Tensor | None = None
        """Of each token at the last step in bits, shape (rows, vocabulary)."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the logits with minus infinity where a token is more surprising than the limit.

        Shapes: input_ids (rows, tokens so far), scores (rows, vocabulary). The most probable token always stays.
        """
        surprise = -torch.log_softmax(scores.float(), dim=-1) / math.log(2)
        if self.limit is None or self.surprise is None:
            self.limit = surprise.new_full((len(scores),), 2 * self.settings.target_surprise)
        else:
            drawn = self.surprise.gather(1, input_ids[:, -1:])[:, 0]
            # A row that is over goes on with padding, which may have no probability at all.
            error = torch.where(drawn.isfinite(), drawn - self.settings.target_surprise, 0.0)
            self.limit = self.limit - self.settings.learning_rate * error
        self.surprise = surprise
        least = surprise.min(dim=-1, keepdim=True).values
        return scores.masked_fill(surprise > torch.maximum(self.limit[:, None], least), -math.inf)
