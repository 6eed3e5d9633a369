"""What a model makes of held-out rows: how well it predicts answers, and what it answers itself."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig

from stages.shared.decoding.generate import GREEDY
from stages.tune_instructions.chat import render
from stages.tune_instructions.encoding import IGNORED, Encoded, Pair


@torch.inference_mode()
def answer_nll(model: Any, rows: Sequence[Encoded]) -> list[tuple[float, int]]:
    """Return for each row the summed negative log-likelihood of its answers' tokens in nats, and their number."""
    model.eval()
    found = []
    for row in rows:
        ids = torch.tensor([row.input_ids], device=model.device)
        labels = torch.tensor(row.labels[1:], device=model.device)
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
        answered = labels != IGNORED
        nll = cross_entropy(logits[answered].float(), labels[answered], reduction="sum")
        found.append((float(nll), int(answered.sum())))
    return found


def mean_nll(found: Sequence[tuple[float, int]]) -> float | None:
    """Return nats a token over all rows; None where there are none."""
    tokens = sum(count for _, count in found)
    return math.fsum(nll for nll, _ in found) / tokens if tokens else None


def pair_nll(model: Any, pairs: Sequence[Pair]) -> list[tuple[float, float]]:
    """Return the negative log-likelihood of the chosen and of the rejected answer of each pair, in nats."""
    chosen = answer_nll(model, [pair.chosen for pair in pairs])
    rejected = answer_nll(model, [pair.rejected for pair in pairs])
    return [(a, b) for (a, _), (b, _) in zip(chosen, rejected, strict=True)]


def reward_figures(
    before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]], beta: float
) -> dict[str, Any]:
    """Return how the model stands to its reference on held-out pairs (equation 5 of Rafailov et al. 2023).

    An answer's reward is beta times the logarithm of how much more probable it became, the margin that of the chosen
    answer minus that of the rejected, the accuracy the share of pairs with a margin above 0. `preferred_*` is the share
    of pairs whose chosen answer is the more probable one, which favours short answers.
    """
    margins = [
        beta * ((chosen - new_chosen) - (rejected - new_rejected))
        for (chosen, rejected), (new_chosen, new_rejected) in zip(before, after, strict=True)
    ]
    pairs = len(margins)
    return {
        "pairs": pairs,
        "reward_accuracy": sum(margin > 0 for margin in margins) / pairs if pairs else None,
        "reward_margin": math.fsum(margins) / pairs if pairs else None,
        "preferred_before": sum(a < b for a, b in before) / pairs if pairs else None,
        "preferred_after": sum(a < b for a, b in after) / pairs if pairs else None,
    }


@torch.inference_mode()
def answers(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[Mapping[str, str]]], ends: Sequence[int], max_new_tokens: int
) -> list[str]:
    """Return the model's greedy answer to each prompt, a list of turns that ends with the user's."""
    model.eval()
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        **GREEDY, max_new_tokens=max_new_tokens, eos_token_id=list(ends), pad_token_id=ends[0] if ends else 0
    )
    written = []
    for prompt in prompts:
        encoding = tokenizer(render(tokenizer, prompt, asked=True), add_special_tokens=False)
        ids = torch.tensor([encoding["input_ids"]], device=model.device)
        out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
        written.append(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip())
    return written
