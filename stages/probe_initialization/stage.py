"""probe_initialization: train one initialised model a little, and measure it on the way."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from accelerate import Accelerator
from transformers import AutoConfig

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.probe_initialization.held_out import HeldOut, bits_per_byte, document_losses, measured, read_held_out
from stages.probe_initialization.settings import ProbeInitializationSettings
from stages.probe_initialization.trial import (
    Trial,
    advance,
    cut_evenly,
    forget,
    load_weights,
    start_trial,
    trained_weights,
    training_settings,
)
from stages.shared.document_encoder import load_encoder
from stages.shared.token_shard import read_tokens
from stages.shared.training.batches import Blocks
from stages.shared.training.setup import load_model, make_accelerator

Losses = dict[int, dict[str, np.ndarray]]
"""By step and domain: nll of each document."""


def probe_initialization(
    settings: ProbeInitializationSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write probe.json: the learning rate chosen, and the losses of every held-out document after the measured steps.

    With the input `chosen`, a probe of the same initialisation on text in another order, its learning rate is taken.
    """
    probe, began = settings.probe, perf_counter()
    config = AutoConfig.from_pretrained(inputs["model"]).get_text_config()
    positions = getattr(config, "max_position_embeddings", None)
    matched = read_tokens(inputs["match"], "train") if "match" in inputs else None
    blocks = cut_evenly(read_tokens(inputs["tokens"], "train"), probe, positions, inputs["tokens"], matched)
    first = training_settings(settings, probe.learning_rates[0], blocks)
    accelerator = make_accelerator(first.precision, first.threads, execution)
    model = load_model(inputs["model"], first, accelerator.device)
    texts = read_held_out(inputs["corpus"], settings.other_domain, probe, load_encoder(inputs["model"]))
    rates = chosen_rate(inputs["chosen"]) if "chosen" in inputs else probe.learning_rates
    trials = make_trials(model, blocks, settings, rates, accelerator, execution)
    best, compared = choose(trials, texts["validation"], settings)
    losses = curve(best, texts, settings)
    seconds = perf_counter() - began
    found = describe(best, compared, losses, texts, settings)
    (out / "probe.json").write_text(json.dumps(found, allow_nan=False) + "\n", encoding="utf-8")
    trained = sum(trial.step for trial in trials) * tokens_per_step(best)
    return {
        "learning_rate": best.learning_rate,
        **{f"{name}_bits_per_byte": figures["bits_per_byte"]["end"] for name, figures in found["domains"].items()},
        "tokens": trained,
        "seconds": round(seconds, 3),
    }


def chosen_rate(folder: Path) -> tuple[float, ...]:
    """Return the learning rate that another probe chose, as the only one."""
    return (json.loads((folder / "probe.json").read_text(encoding="utf-8"))["learning_rate"],)


def make_trials(
    model: Any,
    blocks: Blocks,
    settings: ProbeInitializationSettings,
    rates: Sequence[float],
    accelerator: Accelerator,
    execution: Execution,
) -> list[Trial]:
    """Return one trial for each rate, all from one copy of the model's present weights."""
    trials = [start_trial(model, blocks, settings, rate, accelerator, execution) for rate in rates]
    begin = trained_weights(model, [name for group in trials[0].training.groups for name in group.names])
    for trial in trials:
        trial.weights = begin
    return trials


def choose(
    trials: Sequence[Trial], text: HeldOut, settings: ProbeInitializationSettings
) -> tuple[Trial, list[dict[str, Any]]]:
    """Train the trials to each of the selection's marks, the last of which decides; return the best and all figures.

    At the marks before, the lowest rate goes if a higher one is ahead of it. A higher one that is behind stays: in the
    first steps high rates fall behind, and in the end they may lead. The figures of a trial whose loss did not stay
    finite are None, and it goes too.
    """
    if len(trials) == 1:
        return trials[0], []
    compared, marks = list[dict[str, Any]](), settings.probe.selection_steps
    left = sorted(trials, key=lambda trial: trial.learning_rate)
    for mark in marks:
        lowest, best = left[0], list[tuple[float, Trial]]()
        for trial in left:
            advance(trial, mark, settings.probe.marks)
            value = None if trial.diverged else validation_loss(trial, text, settings)
            compared.append({"learning_rate": trial.learning_rate, "step": mark, "bits_per_byte": value})
            if value is None:
                continue
            best = sorted([*best, (value, trial)], key=lambda pair: pair[0])
            behind = next((pair for pair in best[1:] if mark == marks[-1] or pair[1] is lowest), None)
            if behind is not None:  # at once, as three models of all weights would not fit beside each other
                forget(behind[1])
                best = [pair for pair in best if pair is not behind]
        if not best:
            break
        left = sorted((trial for _, trial in best), key=lambda trial: trial.learning_rate)
    return left[0], compared


def validation_loss(trial: Trial, text: HeldOut, settings: ProbeInitializationSettings) -> float | None:
    """Return the bits per byte of the validation text, None where the training has left the model without any."""
    try:
        return bits_per_byte(document_losses(trial.training.model, text, settings.probe), text)
    except UserError:  # a loss that is not finite
        return None


def curve(trial: Trial, texts: Mapping[str, HeldOut], settings: ProbeInitializationSettings) -> Losses:
    """Train the trial to the end and return the losses of all documents after each measured step.

    Raises UserError where the loss does not stay finite.
    """
    found: Losses = {}
    for mark in settings.probe.marks:
        if mark not in trial.kept:
            advance(trial, mark, settings.probe.marks)
        if trial.diverged:
            raise UserError(
                f"the loss is not finite before step {mark} at learning rate {trial.learning_rate:g}; leave this "
                "method out of leaderboard.methods, or give lower leaderboard.probe.learning_rates"
            )
        load_weights(trial.training.model, trial.kept.pop(mark))
        found[mark] = measured(trial.training.model, texts, settings.probe)
    return found


def tokens_per_step(trial: Trial) -> int:
    """Return the tokens that one step trains on."""
    return trial.training.share.global_batch * trial.training.data.sequence_length


def describe(
    trial: Trial,
    compared: list[dict[str, Any]],
    losses: Losses,
    texts: Mapping[str, HeldOut],
    settings: ProbeInitializationSettings,
) -> dict[str, Any]:
    """Return the content of probe.json."""
    probe, marks = settings.probe, settings.probe.marks
    names = [*(str(mark) for mark in marks[:-1]), "end"]
    return {
        "mode": probe.mode,
        "seed": settings.seed,
        "learning_rate": trial.learning_rate,
        "selection": compared,
        "steps": list(marks),
        "tokens_per_step": tokens_per_step(trial),
        "training_loss": trial.losses,
        "domains": {
            domain: {
                **texts[domain].described(),
                "nll": {name: losses[mark][domain].round(6).tolist() for name, mark in zip(names, marks, strict=True)},
                "bits_per_byte": {
                    name: bits_per_byte(losses[mark][domain], texts[domain])
                    for name, mark in zip(names, marks, strict=True)
                },
            }
            for domain in losses[0]
        },
    }
