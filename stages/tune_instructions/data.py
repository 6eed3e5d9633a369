"""The rows of a tuning: read, encoded, and what was lost of them."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.errors import UserError
from stages.tune_instructions.encoding import encode_pairs, encode_rows
from stages.tune_instructions.settings import DpoSettings, TuneInstructionsSettings

FILES = {"train": "train", "held_out": "validation"}


@dataclass(frozen=True)
class Data:
    """Encoded rows (or pairs) to train on and to measure, what was lost of them, and the questions to answer."""

    train: list[Any]
    held_out: list[Any]
    counts: dict[str, Counter[str]]
    prompts: list[list[dict[str, str]]]
    references: list[str]


def read_data(settings: TuneInstructionsSettings, inputs: Mapping[str, Path], tokenizer: Any, tell: bool) -> Data:
    """Read and encode the rows; `tell`: say what is cut or left out.

    Raises UserError where none is left to train on.
    """
    tuning = settings.tuning
    encode: Any = encode_pairs if isinstance(tuning, DpoSettings) else encode_rows
    counts: dict[str, Counter[str]] = {"train": Counter(), "held_out": Counter()}
    rows = {name: read_rows(inputs["data"] / f"{file}.parquet") for name, file in FILES.items()}
    rows["held_out"] = rows["held_out"][: tuning.held_out_rows]
    encoded = {name: encode(tokenizer, rows[name], tuning.max_length, counts[name]) for name in rows}
    if tell:
        tell_losses(counts)
    if not encoded["train"]:
        raise UserError(
            f"none of {len(rows['train'])} rows in {inputs['data']} has an answer within "
            f"tuning.{tuning.method}.max_length={tuning.max_length} tokens; raise it, or choose other data cards"
        )
    shown = read_rows(inputs["instructions"] / "validation.parquet")[: settings.answers.prompts]
    prompts = [row["messages"][:-1] for row in shown]
    references = [row["messages"][-1]["content"] for row in shown]
    return Data(encoded["train"], encoded["held_out"], counts, prompts, references)


def tell_losses(counts: Mapping[str, Counter[str]]) -> None:
    """Say what is cut or left out."""
    for name, count in counts.items():
        if count.total() > count["rows"]:
            lost = ", ".join(f"{key.replace('_', ' ')} {number:,}" for key, number in count.items() if key != "rows")
            print(f"of {count['rows']:,} rows ({name.replace('_', ' ')}): {lost}", file=sys.stderr)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a table of conversations."""
    rows: list[dict[str, Any]] = pq.read_table(path, columns=["messages", "rejected"]).to_pylist()
    return rows
