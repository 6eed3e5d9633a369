"""tune_instructions: a model that answers, out of one that continues texts (SFT), and one that answers better (DPO)."""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from accelerate import Accelerator

from pipeline.stage import Execution, Metrics
from stages.shared.artifact import write_json
from stages.shared.leftovers import keep_checkpoints_only
from stages.shared.training.sharding import whole
from stages.tune_instructions.chat import Chat, prepare_chat
from stages.tune_instructions.data import Data, read_data
from stages.tune_instructions.measure import answer_nll, answers, mean_nll, pair_nll, reward_figures
from stages.tune_instructions.model import load, write_tuned
from stages.tune_instructions.processes import each_its_part, join
from stages.tune_instructions.settings import DpoSettings, SftSettings, TuneInstructionsSettings
from stages.tune_instructions.training import train


def tune_instructions(
    settings: TuneInstructionsSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write the tuned model, metrics.jsonl (one line an optimizer step), tuning.json and answers.json.

    `data` are the rows to train on, `instructions` those whose held-out questions are answered. Goes on from the
    checkpoints that an interrupted run left in `out`. Raises UserError where no row is left, or where a signal asked
    for a stop, once the state is saved (OutOfTime where it was a scheduler's).
    """
    began, tuning = perf_counter(), settings.tuning
    accelerator = join(tuning, execution)
    main = accelerator.is_main_process
    if main:
        keep_checkpoints_only(out)
    model, tokenizer = load(inputs["model"], accelerator.device)
    chat = prepare_chat(model, tokenizer, tuning.chat_template if isinstance(tuning, SftSettings) else "keep")
    data = read_data(settings, inputs, tokenizer, tell=main)
    before = measure((model, tokenizer, chat), data, settings, accelerator)
    run = train(settings, (model, tokenizer, chat), data, (inputs["model"], out), accelerator, execution)
    weights = whole(run.pop("weights"), keep=main)
    if main:
        write_tuned(weights, tokenizer, chat, inputs["model"], out)
    del model, weights
    gc.collect()
    accelerator.wait_for_everyone()
    # What is measured is what was written: the folder as anybody will load it.
    after = measure((*load(out, accelerator.device), chat), data, settings, accelerator)
    figures = held_out_figures(tuning, before["nll"], after["nll"])
    if main:
        done = {"steps": run["steps"], "tokens": run["tokens"], "held_out": figures}
        write_json(out / "tuning.json", described(tuning.method, data, chat) | done)
        write_json(out / "answers.json", compared(data, before["answers"], after["answers"]))
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return {
        **figures,
        **run,
        "device": accelerator.device.type,
        "processes": accelerator.num_processes,
        "total_seconds": round(perf_counter() - began, 3),
    }


def measure(
    loaded: tuple[Any, Any, Chat], data: Data, settings: TuneInstructionsSettings, accelerator: Accelerator
) -> dict[str, Any]:
    """Return the negative log-likelihoods of the held-out rows, and the model's own answers; each process does some."""
    model, tokenizer, chat = loaded
    score: Any = pair_nll if isinstance(settings.tuning, DpoSettings) else answer_nll

    def answer(prompts: Sequence[Any]) -> list[str]:
        return answers(model, tokenizer, prompts, chat.end_ids, settings.answers.max_new_tokens)

    return {
        "nll": each_its_part(data.held_out, lambda rows: score(model, rows), accelerator),
        "answers": each_its_part(data.prompts, answer, accelerator),
    }


def described(method: str, data: Data, chat: Chat) -> dict[str, Any]:
    """Return what was trained on, as tuning.json tells it."""
    return {
        "method": method,
        "rows": {"train": len(data.train), "held_out": len(data.held_out)},
        "encoding": {name: dict(sorted(counts.items())) for name, counts in data.counts.items()},
        "added_tokens": list(chat.added_tokens),
    }


def compared(data: Data, before: list[str], after: list[str]) -> list[dict[str, str]]:
    """Return each question that was answered with its own answer and the model's, as answers.json tells it."""
    return [
        {"prompt": prompt[-1]["content"], "reference": reference, "before": old, "after": new}
        for prompt, reference, old, new in zip(data.prompts, data.references, before, after, strict=True)
    ]


def held_out_figures(tuning: SftSettings | DpoSettings, before: list[Any], after: list[Any]) -> dict[str, Any]:
    """Return the loss in nats a token of answers before and after, or how the rewards stand."""
    if isinstance(tuning, DpoSettings):
        return reward_figures(before, after, tuning.beta)
    return {"rows": len(before), "loss_before": mean_nll(before), "loss_after": mean_nll(after)}
