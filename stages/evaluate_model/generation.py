"""Texts that a system writes."""

from collections.abc import Sequence
from typing import Any

import torch
from tqdm import tqdm
from transformers import GenerationConfig

from stages.evaluate_model.settings import GenerationSettings
from stages.shared.scoring.model import LoadedModel
from stages.shared.scoring.sample import Document


def make_prompts(settings: GenerationSettings, documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Return the prompts, each with the text that really follows it where it comes from the sample."""
    prompts: list[dict[str, Any]] = [{"prompt": prompt, "reference": None} for prompt in settings.prompts]
    long_enough = (document for document in documents if document.words > 2 * settings.held_out_words)
    for document, _ in zip(long_enough, range(settings.held_out_prompts), strict=False):
        words = document.text.split()
        first, rest = words[: settings.held_out_words], words[settings.held_out_words :]
        prompts.append({"prompt": " ".join(first), "reference": " ".join(rest[: settings.max_new_tokens])})
    return prompts


def continue_texts(loaded: LoadedModel, prompts: Sequence[dict[str, Any]], max_new_tokens: int) -> list[dict[str, Any]]:
    """Return the prompts, each with its greedy `continuation`."""
    if max_new_tokens == 0:
        return []
    return [
        {**prompt, "continuation": _continue(loaded, prompt["prompt"], max_new_tokens)}
        for prompt in tqdm(prompts, desc="generating", unit="text")
    ]


def _continue(loaded: LoadedModel, prompt: str, max_new_tokens: int) -> str:
    model, tokenizer = loaded.model, loaded.tokenizer
    ids = loaded.encoder.encode([prompt])[0]
    # A config of its own: the folder's may sample, penalise repetition or stop at other tokens. In packed text the next
    # document's start token ends a document, so here it ends a text as well.
    ends = sorted({ids[0], tokenizer.eos_token_id} - {None})
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=ends, pad_token_id=ids[0]
    )
    given = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        written = model.generate(given, attention_mask=torch.ones_like(given), generation_config=config)[0].tolist()
    # Decoded as a whole, since SentencePiece drops the space before a first word.
    whole: str = tokenizer.decode(written, skip_special_tokens=True)
    return whole.removeprefix(tokenizer.decode(ids, skip_special_tokens=True))
