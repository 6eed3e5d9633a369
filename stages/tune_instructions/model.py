"""The model to tune, and the tuned one as a plain folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import UserError
from stages.shared.carried_files import carry_over
from stages.shared.loading import load_causal_model, load_tokenizer
from stages.shared.model_folder import open_model, write_configs, write_model
from stages.shared.tokenizer_class import keep_tokenizer_class
from stages.shared.tokenizer_conventions import conventions_of
from stages.shared.tokenizer_folder import write_tokenizer_folder
from stages.tune_instructions.chat import Chat


def load(folder: Path, device: torch.device) -> tuple[Any, Any]:
    """Load a model in float32 on a device, and its tokenizer."""
    model = load_causal_model(folder, torch.float32, attn_implementation="sdpa")
    for weight in model.parameters():
        weight.data = weight.data.clone()  # as in continued pretraining: the mapped file lies at any address
    return model.to(device), load_tokenizer(folder)


def write_tuned(weights: Mapping[str, torch.Tensor], tokenizer: Any, chat: Chat, source: Path, out: Path) -> None:
    """Write weights, by their names in `source` and in its precision, config and tokenizer.

    Raises UserError where a tensor of the source has no weight: its architecture fuses weights while loading.
    """
    folder = open_model(source)
    homeless = sorted(set(folder.shards) - set(weights) - set(folder.tied_names))
    if homeless:
        raise UserError(
            f"{len(homeless)} tensors of {source}, '{homeless[0]}' among them, have no weight of their name: this "
            "architecture is not supported; choose a Llama-like base model"
        )
    tables = {
        name: weights[name].detach().to("cpu", folder.read(name).dtype).contiguous()
        for name in folder.shards
        if name in weights
    }
    write_model(folder, tables, out)
    carry_over(source, out)
    if chat.changed:
        write_tokenizer_folder(tokenizer.backend_tokenizer, conventions_of(tokenizer), out)
        keep_tokenizer_class(out)
    ends = list(chat.end_ids)
    changes = {"eos_token_id": ends[0] if len(ends) == 1 else ends} if ends else {}
    write_configs(folder, changes, len(tables[folder.input_name]), out)
