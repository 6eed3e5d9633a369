"""One learning rate of a probe: a training that can be left and gone on with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.probe_initialization.settings import ProbeInitializationSettings, ProbeSettings
from stages.shared.token_shard import TokenShard
from stages.shared.training.batches import Blocks
from stages.shared.training.optimizers import make_optimizer
from stages.shared.training.parameters import make_groups
from stages.shared.training.schedule import make_schedule
from stages.shared.training.settings import AdamW, NoAdapter, PhaseSettings, TrainingSettings
from stages.shared.training.share import make_share
from stages.shared.training.step import Training, start_phase, take_step
from stages.shared.training.watching import SkippingSettings

Weights = Mapping[str, torch.Tensor]


@dataclass
class Trial:
    """A training with one learning rate, and where it stands.

    Several trials share one model: each puts its weights in before it goes on, and takes them out after.
    """

    learning_rate: float
    training: Training
    weights: Weights
    step: int = 0
    losses: list[float] = field(default_factory=list)
    """Of the steps taken, nats a token."""
    diverged: bool = False
    """Whether a loss was not finite; it is then left where it was."""
    kept: dict[int, Weights] = field(default_factory=dict)
    """The weights after the measured steps."""


def training_settings(settings: ProbeInitializationSettings, rate: float, blocks: Blocks) -> TrainingSettings:
    """Return the probe as a training of one phase with a constant learning rate."""
    probe = settings.probe
    phase = PhaseSettings(
        name=probe.mode,
        share=1.0,
        train=probe.mode,
        learning_rate=rate * probe.body_learning_rate_share,
        embedding_learning_rate=rate,
    )
    return TrainingSettings(
        tokens=probe.tokens,
        sequence_length=blocks.sequence_length,
        global_batch=len(blocks) // probe.steps,
        seed=settings.seed,
        threads=probe.threads,
        precision=probe.precision,
        attention="causal",
        max_grad_norm=probe.max_grad_norm,
        weight_decay=probe.weight_decay,
        betas=probe.betas,
        optimizer=AdamW(method="adamw"),
        adapter=NoAdapter(method="none"),
        objective="causal",
        warmup_share=min(1.0, probe.warmup_steps / probe.steps),
        schedule="constant",
        decay_share=0.0,
        min_learning_rate_share=0.0,
        validation_tokens=0,
        phases=(phase,),
        skipping=SkippingSettings(most_in_a_row=1, spikes=None),
        watch=None,
    )


def cut_evenly(
    shard: TokenShard, probe: ProbeSettings, positions: int | None, folder: Path, matched: TokenShard | None
) -> Blocks:
    """Cut packed text into exactly the probe's steps, the same text in each step whatever the tokenizer.

    `matched` is the same documents in the tokens that the budget is stated in, None where these are its tokens. A
    tokenizer that needs many tokens has longer sequences, and more of them where the model has too few positions.
    Raises UserError where there are fewer tokens than sequences.
    """
    last = probe.tokens if matched is None else same_place(matched, shard, probe.tokens)
    sequences, predicted = probe.steps * probe.sequences, min(last, len(shard.tokens)) - 1
    if positions is not None:
        sequences *= max(1, math.ceil(predicted // sequences / positions))
    length = predicted // sequences
    if length < 2:
        raise UserError(
            f"{folder} holds {len(shard.tokens)} tokens, too few for {probe.steps} steps of {probe.sequences} "
            "sequences; give fewer leaderboard.probe.steps, or the language's data cards more text"
        )
    return Blocks(shard.tokens[: sequences * length + 1], shard.starts, length, by_document=False)


def same_place(one: TokenShard, other: TokenShard, tokens: int) -> int:
    """Return how many tokens of `other` hold the text of the first `tokens` of `one`, both being the same documents."""
    document = int(np.searchsorted(one.starts, min(tokens, len(one.tokens)) - 1, side="right")) - 1
    share = (min(tokens, len(one.tokens)) - one.starts[document]) / len(one.document(document))
    return round(int(other.starts[document]) + float(share) * len(other.document(document)))


def start_trial(
    model: Any,
    blocks: Blocks,
    settings: ProbeInitializationSettings,
    rate: float,
    accelerator: Accelerator,
    execution: Execution,
) -> Trial:
    """Return a trial that has not taken a step, its weights still to be given."""
    trained = training_settings(settings, rate, blocks)
    groups = make_groups(model, trained)
    training = Training(
        accelerator=accelerator,
        model=model,
        groups=groups,
        optimizer=make_optimizer(model, groups, trained),
        schedule=make_schedule(trained, settings.probe.steps),
        data=blocks,
        share=make_share(trained.global_batch, micro_batch(trained.global_batch, execution.micro_batch), 0, 1),
    )
    return Trial(rate, training, {})


def micro_batch(batch: int, most: int) -> int:
    """Return the largest number of sequences up to `most` that a batch can be cut into evenly.

    >>> micro_batch(6, 4)
    3
    """
    return max(size for size in range(1, most + 1) if batch % size == 0)


def advance(trial: Trial, until: int, measured: Sequence[int]) -> None:
    """Train up to a step, or to a loss that is not finite, keeping the weights after each measured step on the way."""
    load_weights(trial.training.model, trial.weights)
    names = list(trial.weights)
    module, weights = start_phase(trial.training, 0)
    if trial.step in measured:
        trial.kept.setdefault(trial.step, trial.weights)
    steps = range(trial.step, until)
    for step in tqdm(steps, desc=f"learning rate {trial.learning_rate:g}", unit="step", mininterval=1):
        result = take_step(trial.training, module, weights, step)
        trial.diverged = not result.finite
        if trial.diverged:
            return
        trial.losses.append(result.loss)
        if step + 1 in measured:
            trial.kept[step + 1] = trained_weights(trial.training.model, names)
    trial.step = max(trial.step, until)
    trial.weights = trained_weights(trial.training.model, names)


def forget(trial: Trial) -> None:
    """Let go of the weights and the optimizer's state of a trial that will not go on."""
    trial.weights, trial.kept = {}, {}
    trial.training.optimizer.state.clear()


def trained_weights(model: Any, names: Sequence[str]) -> Weights:
    """Return copies of the named weights, in the main memory."""
    weights = dict(model.named_parameters())
    return {name: weights[name].detach().to("cpu", copy=True) for name in names}


def load_weights(model: Any, weights: Weights) -> None:
    """Put copied weights back into the model."""
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, values in weights.items():
            own[name].copy_(values)
