"""A tiny chat model, a table of real questions and answers, and the stage to run on them."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from execution_here import HERE

from pipeline.config import load_config
from pipeline.stage import Execution
from stages.fetch_base_model.random_model import write_random_model
from stages.fetch_base_model.settings import BaseModelSettings
from stages.ingest_instructions.stage import SCHEMA
from stages.shared.byte_level_bpe import train_byte_level_bpe
from stages.shared.model_folder import ALWAYS_WRITTEN, open_model, write_configs
from stages.shared.tokenizer_conventions import read_conventions
from stages.shared.tokenizer_folder import write_tokenizer_folder
from stages.tune_instructions.settings import TuneInstructionsSettings
from stages.tune_instructions.stage import tune_instructions

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data"
CONFIG = load_config(["language=dutch", "experiment=smoke", "tuning=sft_dpo", "instructions=tests"])
TUNING = {
    "epochs": 3,
    "learning_rate": 0.003,
    "global_batch": 4,
    "max_length": 256,
    "warmup_share": 0.1,
    "schedule": "cosine",
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "seed": 1,
    "threads": 1,
    "precision": "float32",
    "gradient_checkpointing": False,
    "held_out_rows": 8,
    "lora": None,
}
SFT = TUNING | {"method": "sft", "chat_template": "keep", "packing": False}
DPO = TUNING | {"method": "dpo", "beta": 0.1, "loss": "sigmoid", "learning_rate": 0.001}
LORA = {"r": 8, "alpha": 16, "dropout": 0.0, "target_modules": ["q_proj", "v_proj", "up_proj", "down_proj"]}
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou "
    "are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + "
    "message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""Its chat template, as in its tokenizer_config.json."""
END_OF_TEXT = "<|endoftext|>"
EXECUTION = HERE | {"micro_batch": 2}


def make_model(folder: Path, template: str | None = SMOLLM2, tied: bool = True) -> Path:
    """Write a random Llama of two layers, its tokenizer of SmolLM2's kind, with its chat template."""
    folder.mkdir(parents=True)
    model = CONFIG.base_model
    small = model.model_dump() | {"hidden_size": 32, "vocabulary_size": 500}
    small["source"] |= {"intermediate_size": 64, "tied": tied}
    settings = BaseModelSettings.model_validate(small)
    write_random_model(settings, settings.source, folder)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


def make_bare_model(folder: Path, tied: bool) -> Path:
    """Write such a model without a template, whose vocabulary has no ChatML markers: one token begins and ends."""
    make_model(folder, template=None, tied=tied)
    conventions = read_conventions(folder)
    roles = dict.fromkeys(("bos_token", "eos_token"), END_OF_TEXT)
    conventions = dataclasses.replace(conventions, special_tokens=(END_OF_TEXT,), roles=roles)
    text = [(DATA / "english.txt").read_text(encoding="utf-8")]
    bpe = train_byte_level_bpe(text, 500, 1, conventions.special_tokens, "base_model.vocabulary_size")
    write_tokenizer_folder(bpe, conventions, folder)
    write_configs(open_model(folder), dict.fromkeys(ALWAYS_WRITTEN, 0), 500, folder)
    return folder


def rows(count: int = 16) -> list[dict[str, Any]]:
    """Return real preferences, the shortest first, in the schema of ingest_instructions."""
    lines = [json.loads(line) for line in (DATA / "preferences.jsonl").read_text(encoding="utf-8").splitlines()]
    lines.sort(key=lambda line: len(line["chosen"] + line["rejected"]))
    return [
        {
            "id": str(number),
            "card": "sample",
            "licence": "copyleft",
            "messages": [
                {"role": "user", "content": line["prompt"]},
                {"role": "assistant", "content": line["chosen"]},
            ],
            "rejected": line["rejected"],
        }
        for number, line in enumerate(lines[:count])
    ]


def make_data(folder: Path, preferences: bool, train: int = 12) -> Path:
    """Write the two tables."""
    folder.mkdir(parents=True)
    taken = [row if preferences else row | {"rejected": None} for row in rows(train + 4)]
    for name, part in (("train", taken[:train]), ("validation", taken[train:])):
        pq.write_table(pa.Table.from_pylist(part, schema=SCHEMA), folder / f"{name}.parquet")
    return folder


def run_case(
    inputs: dict[str, Path], out: Path, tuning: dict[str, Any], execution: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Run the stage."""
    out.mkdir(exist_ok=True, parents=True)
    answers = {"prompts": 1, "max_new_tokens": 5}
    settings = TuneInstructionsSettings.model_validate({"tuning": tuning, "answers": answers})
    return tune_instructions(settings, inputs, out, Execution(**(EXECUTION | (execution or {}))))
