"""Trains new rows for a moment on the training text, before they are written."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from pipeline.errors import UserError
from stages.map_embeddings.distillation import Distiller, Tables
from stages.map_embeddings.matched_text import Passage, Side, batches, read_passages, split_at
from stages.map_embeddings.settings import DistillationSettings
from stages.shared.document_encoder import load_encoder
from stages.shared.model_folder import ModelFolder
from stages.shared.text_sample import sampled_texts, text_bytes
from stages.shared.token_text import load_vocabulary

Weights = dict[str, torch.Tensor]
"""Tables by the name of their tensor."""


def warm_up(
    tables: Weights, model: ModelFolder, settings: DistillationSettings, inputs: Mapping[str, Path], device: str
) -> tuple[Weights, dict[str, float]]:
    """Return the tables after the training, in their own dtypes, and figures: losses on text that it did not see.

    Rows of tokens that the text does not have stay as they are, but for those of a head, which a loss of the next token
    moves all. Raises UserError where no text is the same in both tokenizers, or a loss is not finite.
    """
    torch.set_num_threads(settings.threads)
    distiller = Distiller(model.path, settings.layers, tables[model.input_name].dtype, device)
    measured, taught = choose_passages(inputs, distiller.positions, settings)
    weights = {name: torch.nn.Parameter(table.to(device, torch.float32)) for name, table in tables.items()}
    used = Tables(weights[model.input_name], weights[model.head_name or model.input_name])
    before = measure(distiller, measured, used, settings)
    tokens = train(distiller, taught, used, settings)
    after = measure(distiller, measured, used, settings)
    trained = {name: weight.detach().to("cpu", tables[name].dtype) for name, weight in weights.items()}
    figures = {f"{name}_before": value for name, value in before.items()}
    figures |= {f"{name}_after": value for name, value in after.items()}
    return trained, {"tokens": tokens, **figures}


def choose_passages(
    inputs: Mapping[str, Path], most_tokens: int, settings: DistillationSettings
) -> tuple[list[Passage], list[Passage]]:
    """Draw passages of the training text: those to measure on, and those to train on.

    `most_tokens` is what the model can read at once. Raises UserError where there is too little text.
    """
    parquet = inputs["corpus"] / "train.parquet"
    source, target = (
        Side(load_vocabulary(inputs[name]), load_encoder(inputs[name]).start_token_id, most)
        for name, most in (("base_model", most_tokens), ("tokenizer", min(settings.window, most_tokens)))
    )
    texts = list(sampled_texts(parquet, "text", text_bytes(parquet), settings.max_bytes))
    passages = list(read_passages(texts, source, target))
    order = np.random.default_rng(settings.seed).permutation(len(passages))
    measured, others = split_at([passages[place] for place in order], settings.measured_tokens)
    taught, _ = split_at(others, settings.tokens)
    if not taught:
        raise UserError(
            f"{parquet} has {len(passages)} passages that both tokenizers give back byte for byte, too few for "
            f"distillation.measured_tokens={settings.measured_tokens} and some to train on; give fewer, or the "
            "language's data cards more text, or mapping.warmup=none"
        )
    return measured, taught


def train(distiller: Distiller, passages: Sequence[Passage], tables: Tables, settings: DistillationSettings) -> int:
    """Train the tables in place on passages in batches of like length, in a drawn order; return the tokens read.

    Raises UserError where a loss is not finite.
    """
    found = batches(passages, settings.batch_tokens)
    order = np.random.default_rng([settings.seed, 1]).permutation(len(found))
    trained = [tables.read] if tables.head is tables.read else [tables.read, tables.head]
    optimizer = torch.optim.AdamW(trained, betas=settings.betas, weight_decay=0.0)
    predicts = settings.next_token_weight > 0
    for step, place in enumerate(tqdm(order, desc="warm-up", unit="step", mininterval=1)):
        optimizer.param_groups[0]["lr"] = settings.learning_rate * height(step, len(order), settings.rise_share)
        losses = distiller.losses(found[place], distiller.source_states(found[place]), tables, predicts)
        loss = losses.hidden + settings.next_token_weight * losses.next_token
        if not math.isfinite(loss.item()):
            raise UserError(
                f"the loss of the warm-up is not finite at step {step + 1} of {len(order)}; lower "
                f"distillation.learning_rate={settings.learning_rate:g}, or leave it out: mapping.warmup=none"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return sum(len(passage.target) for passage in passages)


def height(step: int, steps: int, rise_share: float) -> float:
    """Return the share of the highest learning rate at a step (from 0): a straight rise, then a straight fall to 0.

    >>> [height(step, 4, 0.25) for step in range(4)]
    [1.0, 0.75, 0.5, 0.25]
    """
    return min(1.0, (step + 1) / max(1.0, rise_share * steps)) * (steps - step) / steps


@torch.no_grad()
def measure(
    distiller: Distiller, passages: Sequence[Passage], tables: Tables, settings: DistillationSettings
) -> dict[str, float]:
    """Return the losses on passages, the mean over batches by their tokens."""
    totals, tokens = np.zeros(2), 0
    for batch in batches(passages, settings.batch_tokens):
        losses = distiller.losses(batch, distiller.source_states(batch), tables, settings.layers is None)
        size = sum(len(passage.target) for passage in batch)
        totals += size * np.array([losses.hidden.item(), losses.next_token.item()])
        tokens += size
    hidden, next_token = totals / tokens
    return {"hidden_loss": float(hidden)} | ({"next_token_loss": float(next_token)} if settings.layers is None else {})
