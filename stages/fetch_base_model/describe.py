"""What a model folder holds, without loading the model."""

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from pipeline.errors import UserError
from stages.fetch_base_model.settings import BaseModelSettings

FACTS = {"vocabulary_size": "vocab_size", "hidden_size": "hidden_size", "layers": "num_hidden_layers"}
"""Our names of what must be known for planning, and config.json's."""
TOLERANCE = 0.01
"""Share by which `parameters` may be off: it serves estimates only."""


def check_config(model: BaseModelSettings, folder: Path) -> None:
    """Raise UserError where config.json contradicts the facts in the base model's YAML file."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    wrong = [
        f"base_model.{ours}={getattr(model, ours)}, but {theirs} is {config.get(theirs)}"
        for ours, theirs in FACTS.items()
        if getattr(model, ours) != config.get(theirs)
    ]
    positions = config.get("max_position_embeddings")
    if positions and model.max_positions and model.max_positions > positions:  # an encoder may use fewer
        wrong.append(f"base_model.max_positions={model.max_positions}, but max_position_embeddings is {positions}")
    if wrong:
        raise UserError(
            f"the facts of base model '{model.name}' do not fit its config.json: {'; '.join(wrong)}. "
            "Correct the file in conf/base_model/."
        )


def check_weights(model: BaseModelSettings, facts: dict[str, Any]) -> None:
    """Raise UserError where the weights are not of the size that the YAML file says."""
    found = facts["parameters"]
    if abs(found - model.parameters) > TOLERANCE * model.parameters:
        raise UserError(
            f"base_model.parameters={model.parameters}, but the weights of '{model.name}' hold {found} parameters. "
            "Correct the file in conf/base_model/, or look whether a weight file is missing."
        )


def describe(folder: Path) -> dict[str, Any]:
    """Return parameters, vocabulary size and tied of a model folder, once its tokenizer is known to load."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors = [shape for path in sorted(folder.glob("*.safetensors")) for shape in tensor_shapes(path)]
    return {
        "parameters": sum(tensors),
        "vocabulary_size": config["vocab_size"],
        "tokenizer_size": len(AutoTokenizer.from_pretrained(folder)),
        # Whether a config that does not say so is tied depends on the architecture.
        "tied": bool(AutoConfig.from_pretrained(folder).tie_word_embeddings),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def tensor_shapes(path: Path) -> list[int]:
    """Return the number of parameters of each tensor, read from a safetensors header.

    Rotary frequencies, which old checkpoints store, are not parameters. Raises UserError for a broken file.
    """
    with path.open("rb") as file:
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (struct.error, ValueError) as error:
            raise UserError(
                f"{path} is not a safetensors file, or was cut short; delete it and fetch it again"
            ) from error
    if path.stat().st_size != 8 + length + max(ends, default=0):
        raise UserError(f"{path} was cut short; delete it and fetch it again")
    entries = ((name, entry) for name, entry in header.items() if name != "__metadata__")
    return [prod(entry["shape"]) for name, entry in entries if not name.endswith("inv_freq")]
