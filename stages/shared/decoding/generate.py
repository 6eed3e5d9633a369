"""Texts that a model writes after prompts, by any of the methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList

from stages.shared.decoding.minimum_bayes_risk import most_alike
from stages.shared.decoding.mirostat import Mirostat2
from stages.shared.decoding.settings import (
    BeamSettings,
    DecodingSettings,
    GreedySettings,
    MinimumBayesRiskSettings,
    MinPSettings,
    Mirostat2Settings,
    NucleusSettings,
    SamplingSettings,
    TopKSettings,
    TypicalSettings,
)

GREEDY: dict[str, Any] = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
"""The most probable token each time. All of it is said: transformers takes what is not from the model's folder, and
Qwen2's for one penalises repetition."""
SEED_STRIDE = 1_000_003


@dataclass(frozen=True)
class Limits:
    """Where a text ends."""

    max_new_tokens: int
    end_ids: tuple[int, ...]
    """Tokens that end it."""
    padding_id: int
    """Stands behind a text that ended before the others of its batch."""


def write_ids(
    model: Any, inputs: Mapping[str, Tensor], settings: DecodingSettings, limits: Limits, batch: int
) -> list[list[list[int]]]:
    """Return the new tokens of each text for each prompt: the candidates, of which `best_first` keeps some.

    `inputs` are left-padded: input_ids and attention_mask of shape (prompts, tokens), and what else the model's
    `generate` takes. The batch's number gives each batch draws of its own.
    """
    drawn = settings.sampling if isinstance(settings, MinimumBayesRiskSettings) else settings
    config = generation_config(drawn, limits, texts_at_once(settings))
    processors = [Mirostat2(drawn)] if isinstance(drawn, Mirostat2Settings) else []
    device = inputs["input_ids"].device
    with torch.inference_mode(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(getattr(drawn, "seed", 0) * SEED_STRIDE + batch)
        written: Tensor = model.generate(
            **inputs, generation_config=config, logits_processor=LogitsProcessorList(processors)
        )
    texts = written[:, inputs["input_ids"].shape[1] :].tolist()
    each = len(texts) // len(inputs["input_ids"])
    return [texts[first : first + each] for first in range(0, len(texts), each)]


def best_first(settings: DecodingSettings, texts: Sequence[str]) -> list[int]:
    """Return the numbers of a prompt's texts to keep, the best one's first: more than one only of an n-best list."""
    return [most_alike(texts)] if isinstance(settings, MinimumBayesRiskSettings) else list(range(len(texts)))


def texts_at_once(settings: DecodingSettings) -> int:
    """Return how many texts are written for a prompt."""
    if isinstance(settings, MinimumBayesRiskSettings):
        return settings.candidates
    return settings.n_best if isinstance(settings, BeamSettings) else 1


def sequences_at_once(settings: DecodingSettings) -> int:
    """Return how many sequences the model holds for one prompt."""
    return settings.beams if isinstance(settings, BeamSettings) else texts_at_once(settings)


def generation_config(
    settings: GreedySettings | BeamSettings | SamplingSettings, limits: Limits, texts: int
) -> GenerationConfig:
    """Return transformers' options, all that matter, as it would take those left out from the model's folder."""
    common: dict[str, Any] = {
        "max_new_tokens": limits.max_new_tokens,
        "eos_token_id": sorted(limits.end_ids),
        "pad_token_id": limits.padding_id,
        "num_return_sequences": texts,
    }
    return GenerationConfig(**GREEDY | common | method_options(settings))  # type: ignore[no-untyped-call]


def method_options(settings: GreedySettings | BeamSettings | SamplingSettings) -> dict[str, Any]:
    """Return the options of one method; Mirostat 2 draws from what its own processor leaves."""
    if isinstance(settings, GreedySettings):
        return {}
    if isinstance(settings, BeamSettings):
        return {"num_beams": settings.beams, "length_penalty": settings.length_penalty, "early_stopping": False}
    # All that is not the method's own is off; transformers would draw from the first 50, or as the folder says.
    options: dict[str, Any] = {"do_sample": True, "top_k": 0, "top_p": 1.0, "typical_p": 1.0, "min_p": 0.0}
    options["temperature"] = getattr(settings, "temperature", 1.0)
    if isinstance(settings, TopKSettings):
        options["top_k"] = settings.top_k
    elif isinstance(settings, NucleusSettings):
        options["top_p"] = settings.top_p
    elif isinstance(settings, TypicalSettings):
        options["typical_p"] = settings.mass
    elif isinstance(settings, MinPSettings):
        options["min_p"] = settings.min_p
    return options
