"""Greedy continuations of a text, the same way while a model is trained and when it is evaluated."""

from typing import Any

import torch
from transformers import GenerationConfig

from stages.shared.document_encoder import DocumentEncoder

GREEDY: dict[str, Any] = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
"""The most probable token each time. All of it is said: transformers takes what is not from the model's folder, and
Qwen2's for one penalises repetition."""


def continue_text(model: Any, encoder: DocumentEncoder, prompt: str, max_new_tokens: int) -> str:
    """Return what a model in evaluation mode writes after the prompt, without the prompt."""
    tokenizer, ids = encoder.tokenizer, encoder.encode([prompt])[0]
    # In packed text the next document's start token ends a document, so here it ends a text as well.
    ends = sorted({ids[0], tokenizer.eos_token_id} - {None})
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        **GREEDY, max_new_tokens=max_new_tokens, eos_token_id=ends, pad_token_id=ids[0]
    )
    given = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        written = model.generate(given, attention_mask=torch.ones_like(given), generation_config=config)[0].tolist()
    # Decoded as a whole, since SentencePiece drops the space before a first word.
    whole: str = tokenizer.decode(written, skip_special_tokens=True)
    return whole.removeprefix(tokenizer.decode(ids, skip_special_tokens=True))
