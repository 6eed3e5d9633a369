"""Continuations of a text, the same way while a model is trained and when it is evaluated."""

from typing import Any

import torch

from stages.shared.decoding.generate import Limits, best_first, write_ids
from stages.shared.decoding.settings import DecodingSettings, GreedySettings
from stages.shared.document_encoder import DocumentEncoder

MOST_PROBABLE = GreedySettings(method="greedy")


def continue_text(
    model: Any,
    encoder: DocumentEncoder,
    prompt: str,
    max_new_tokens: int,
    decoding: DecodingSettings = MOST_PROBABLE,
) -> str:
    """Return what a model in evaluation mode writes after the prompt, without the prompt."""
    tokenizer, ids = encoder.tokenizer, encoder.encode([prompt])[0]
    # In packed text the next document's start token ends a document, so here it ends a text as well.
    ends = sorted({ids[0], tokenizer.eos_token_id} - {None})
    given = torch.tensor([ids], device=model.device)
    inputs = {"input_ids": given, "attention_mask": torch.ones_like(given)}
    (candidates,) = write_ids(model, inputs, decoding, Limits(max_new_tokens, tuple(ends), ids[0]), batch=0)
    # Decoded as a whole, since SentencePiece drops the space before a first word.
    wholes = [str(tokenizer.decode([*ids, *written], skip_special_tokens=True)) for written in candidates]
    texts = [whole.removeprefix(tokenizer.decode(ids, skip_special_tokens=True)) for whole in wholes]
    return texts[best_first(decoding, texts)[0]]
