"""Texts that a system writes."""

from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from stages.evaluate_model.settings import GenerationSettings
from stages.shared.generation import continue_text
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


def continue_texts(
    loaded: LoadedModel, prompts: Sequence[dict[str, Any]], settings: GenerationSettings
) -> list[dict[str, Any]]:
    """Return the prompts, each with its `continuation`."""
    length = settings.max_new_tokens
    if length == 0:
        return []
    continued = []
    for prompt in tqdm(prompts, desc="generating", unit="text"):
        text = continue_text(loaded.model, loaded.encoder, prompt["prompt"], length, settings.decoding)
        continued.append({**prompt, "continuation": text})
    return continued
