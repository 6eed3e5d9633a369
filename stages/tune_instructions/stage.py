"""tune_instructions: a model that answers, out of one that continues texts (SFT), and one that answers better (DPO)."""

import copy
import gc
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow.parquet as pq
import torch

from pipeline.errors import OutOfTime, UserError
from pipeline.stage import CHECKPOINTS, Execution, Metrics
from pipeline.tracking import start_tracking
from stages.shared.artifact import write_json
from stages.shared.interruption import noted_signals
from stages.shared.leftovers import keep_checkpoints_only
from stages.shared.loading import load_causal_model, load_tokenizer
from stages.shared.saving_clock import SavingClock
from stages.tune_instructions.chat import Chat, prepare_chat
from stages.tune_instructions.encoding import encode_pairs, encode_rows
from stages.tune_instructions.measure import answer_nll, answers, mean_nll, pair_nll, reward_figures
from stages.tune_instructions.model_out import write_tuned
from stages.tune_instructions.progress import Progress, newest_checkpoint
from stages.tune_instructions.settings import DpoSettings, SftSettings, TuneInstructionsSettings
from stages.tune_instructions.trainers import Place, dpo_trainer, sft_trainer

METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Data:
    """Encoded rows (or pairs) to train on and to measure, what was lost of them, and the questions to answer."""

    train: list[Any]
    held_out: list[Any]
    counts: dict[str, Counter[str]]
    prompts: list[list[dict[str, str]]]
    references: list[str]


def tune_instructions(
    settings: TuneInstructionsSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write the tuned model, metrics.jsonl (one line an optimizer step), tuning.json and answers.json.

    `data` are the rows to train on, `instructions` those whose held-out questions are answered. Goes on from the
    checkpoints that an interrupted run left in `out`. Raises UserError where no row is left, or where a signal asked
    for a stop, once the state is saved (OutOfTime where it was a scheduler's).
    """
    began, tuning = perf_counter(), settings.tuning
    torch.set_num_threads(tuning.threads)
    keep_checkpoints_only(out)
    model, tokenizer = load(inputs["model"], execution)
    chat = prepare_chat(model, tokenizer, tuning.chat_template if isinstance(tuning, SftSettings) else "keep")
    data = read_data(settings, inputs, tokenizer)
    before = measure(model, tokenizer, data, chat, settings)
    run = train(settings, (model, tokenizer, chat), data, (inputs["model"], out), execution)
    write_tuned(run.pop("weights"), tokenizer, chat, inputs["model"], out)
    del model
    gc.collect()
    # What is measured is what was written: the folder as anybody will load it.
    after = measure(*load(out, execution), data, chat, settings)
    figures = held_out_figures(tuning, before["nll"], after["nll"])
    done = {"steps": run["steps"], "tokens": run["tokens"], "held_out": figures}
    write_json(out / "tuning.json", described(tuning.method, data, chat) | done)
    write_json(out / "answers.json", compared(data, before["answers"], after["answers"]))
    return {**figures, **run, "device": execution.device, "total_seconds": round(perf_counter() - began, 3)}


def load(folder: Path, execution: Execution) -> tuple[Any, Any]:
    """Load a model in float32 and its tokenizer; raise UserError where there is no GPU though one is wanted."""
    if execution.device == "cuda" and not torch.cuda.is_available():
        raise UserError("cluster.device=cuda, but torch sees no GPU; choose cluster=local, or set up the GPU's driver")
    model = load_causal_model(folder, torch.float32, attn_implementation="sdpa")
    for weight in model.parameters():
        weight.data = weight.data.clone()  # as in continued pretraining: the mapped file lies at any address
    return model.to(execution.device), load_tokenizer(folder)


def read_data(settings: TuneInstructionsSettings, inputs: Mapping[str, Path], tokenizer: Any) -> Data:
    """Read and encode the rows; say what is cut or left out. Raises UserError where no row is left to train on."""
    tuning = settings.tuning
    encode: Any = encode_pairs if isinstance(tuning, DpoSettings) else encode_rows
    counts: dict[str, Counter[str]] = {"train": Counter(), "held_out": Counter()}
    rows = {name: read_rows(inputs["data"] / f"{file}.parquet") for name, file in FILES.items()}
    rows["held_out"] = rows["held_out"][: tuning.held_out_rows]
    encoded = {name: encode(tokenizer, rows[name], tuning.max_length, counts[name]) for name in rows}
    for name, count in counts.items():
        if count.total() > count["rows"]:
            lost = ", ".join(f"{key.replace('_', ' ')} {number:,}" for key, number in count.items() if key != "rows")
            print(f"of {count['rows']:,} rows ({name.replace('_', ' ')}): {lost}", file=sys.stderr)
    if not encoded["train"]:
        raise UserError(
            f"none of {len(rows['train'])} rows in {inputs['data']} has an answer within "
            f"tuning.{tuning.method}.max_length={tuning.max_length} tokens; raise it, or choose other data cards"
        )
    shown = read_rows(inputs["instructions"] / "validation.parquet")[: settings.answers.prompts]
    prompts = [row["messages"][:-1] for row in shown]
    references = [row["messages"][-1]["content"] for row in shown]
    return Data(encoded["train"], encoded["held_out"], counts, prompts, references)


FILES = {"train": "train", "held_out": "validation"}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a table of conversations."""
    rows: list[dict[str, Any]] = pq.read_table(path, columns=["messages", "rejected"]).to_pylist()
    return rows


def measure(model: Any, tokenizer: Any, data: Data, chat: Chat, settings: TuneInstructionsSettings) -> dict[str, Any]:
    """Return the negative log-likelihoods of the held-out rows, and the model's own answers."""
    score: Any = pair_nll if isinstance(settings.tuning, DpoSettings) else answer_nll
    written = answers(model, tokenizer, data.prompts, chat.end_ids, settings.answers.max_new_tokens)
    return {"nll": score(model, data.held_out), "answers": written}


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


def train(
    settings: TuneInstructionsSettings,
    loaded: tuple[Any, Any, Chat],
    data: Data,
    folders: tuple[Path, Path],
    execution: Execution,
) -> dict[str, Any]:
    """Train; return the weights by name, and steps, tokens and seconds."""
    tuning, (source, out) = settings.tuning, folders
    resumed = newest_checkpoint(out / CHECKPOINTS) if (out / CHECKPOINTS).is_dir() else None
    tracker = start_tracking(execution, settings.model_dump(mode="json"))
    began = perf_counter()
    with noted_signals() as interruption, (out / METRICS).open("w", encoding="utf-8", newline="\n") as metrics:
        clock = SavingClock(execution.checkpoint_seconds, execution.checkpoint_pause_factor)
        callback = Progress(metrics, tracker, interruption, clock)
        place = Place(out / CHECKPOINTS, execution, callback)
        try:
            trainer = make_trainer(tuning, loaded, data, source, place)
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        finally:
            tracker.finish()
    state = trainer.state
    if state.global_step < state.max_steps:
        kind = OutOfTime if interruption.time_is_up else UserError
        raise kind(
            f"tuning was stopped by {interruption.signal_name} after step {state.global_step} of {state.max_steps}; it "
            f"is saved in {out / CHECKPOINTS}, and the same command goes on from there"
        )
    trained: Any = trainer.model if tuning.lora is None else trainer.model.merge_and_unload()
    return {
        "weights": dict(trained.named_parameters(remove_duplicate=False)),
        "steps": state.global_step,
        "tokens": state.log_history[-1]["tokens"],
        "loss": state.log_history[-1]["loss"],
        "resumed_at_step": int(resumed.name.rpartition("-")[2]) if resumed else 0,
        "training_seconds": round(perf_counter() - began, 3),
    }


def make_trainer(
    tuning: SftSettings | DpoSettings, loaded: tuple[Any, Any, Chat], data: Data, source: Path, place: Place
) -> Any:
    """Return trl's trainer; a tokenizer of its own, since trl changes it."""
    model, tokenizer, chat = loaded[0], copy.deepcopy(loaded[1]), loaded[2]
    if isinstance(tuning, SftSettings):
        return sft_trainer((model, tokenizer, chat), data.train, tuning, place)
    reference = load(source, place.execution)[0] if tuning.lora is None else None
    return dpo_trainer((model, reference), tokenizer, data.train, tuning, place)
