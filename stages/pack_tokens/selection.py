"""Which documents make up the wanted number of tokens."""

import numpy as np

from pipeline.errors import UserError
from stages.pack_tokens.corpus_split import Split
from stages.pack_tokens.order import orders
from stages.pack_tokens.token_store import TokenStore

FIRST_GUESS = 4.0
"""Bytes a token, to begin with; the measured figure replaces it, and neither changes which documents are chosen."""
MARGIN = 1.05
"""Text tokenized beyond the estimate, so that one more reading of the corpus is seldom needed."""


def training_rows(store: TokenStore, split: Split, tokens: int, seed: int) -> np.ndarray:
    """Return the shortest run of documents, epoch after epoch, that holds at least `tokens` tokens.

    Tokenizes only as much of the corpus as that needs. Raises UserError for a corpus without text.
    """
    if split.lengths.sum() == 0:
        raise UserError(f"{store.parquet} has no text to train on: add a corpus to the language's data cards.")
    chosen: list[np.ndarray] = []
    left = tokens
    for order in orders(split.ids, seed, split.repeats):
        taken = tokenize_until(store, order, split.lengths, left)
        chosen.append(order[:taken])
        left -= int(store.counts[order[:taken]].sum())
        if left <= 0:
            break
    return np.concatenate(chosen)


def tokenize_until(store: TokenStore, order: np.ndarray, lengths: np.ndarray, tokens: int) -> int:
    """Tokenize the first documents of `order`; return how many of them hold `tokens` tokens, at most all of them."""
    ends = np.cumsum(lengths[order])
    ready, bytes_per_token = 0, FIRST_GUESS
    while True:
        target = tokens * bytes_per_token * MARGIN
        # At least one more than before, so that a wrong estimate cannot keep the loop in place.
        ready = min(len(order), max(ready + 1, int(np.searchsorted(ends, target)) + 1))
        store.add(order[:ready])
        totals = np.cumsum(store.counts[order[:ready]])
        if totals[-1] >= tokens:
            return int(np.searchsorted(totals, tokens)) + 1
        if ready == len(order):
            return ready
        bytes_per_token = max(bytes_per_token, float(ends[ready - 1] / totals[-1]))
