"""From a GGUF file to a Hugging Face folder."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.errors import UserError
from stages.shared.byte_level_bpe import digits_then_bytes
from stages.shared.tokenizer_conventions import conventions_of
from stages.shared.tokenizer_folder import write_tokenizer_folder

NOT_OURS = ("_model_name_or_path", "quantization_config", "transformers_version")
"""What config.json would tell of the GGUF file: the name of a training run, and a quantisation that is undone."""


def write_gguf_model(gguf: Path, dtype: str, out: Path) -> None:
    """Write the weights of a GGUF file, dequantised, and its tokenizer."""
    write_model(gguf, getattr(torch, dtype), out)
    write_tokenizer(gguf, out)


def write_model(gguf: Path, dtype: torch.dtype, out: Path) -> None:
    """Write config.json, generation_config.json and model.safetensors.

    transformers refuses to save a model that it loaded from GGUF, so a fresh one takes over its state.
    """
    loaded = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=dtype)
    values = loaded.config.to_dict()
    for key in NOT_OURS:
        values.pop(key, None)
    with torch.device("meta"):
        fresh = type(loaded)(type(loaded.config)(**values))
    fresh.load_state_dict(loaded.state_dict(), assign=True)
    fresh.tie_weights()
    fresh.save_pretrained(out)


def write_tokenizer(gguf: Path, out: Path) -> None:
    """Write the tokenizer's folder, with the cut before digits that transformers does not read from GGUF."""
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    backend = tokenizer.backend_tokenizer
    fields = GGUFReader(gguf).fields
    name = text_field(fields, "tokenizer.ggml.pre")
    if name == "smollm":
        # transformers sets up GPT-2's pre-tokenizer for every byte-level GGUF; SmolLM's cuts off each digit first.
        backend.pre_tokenizer = digits_then_bytes()
    elif name not in {"default", "gpt-2", ""}:
        raise UserError(
            f"{gguf.name} has the pre-tokenizer '{name}', which cannot be read from GGUF. Take the model from the hub."
        )
    context = int(fields["llama.context_length"].contents()) if "llama.context_length" in fields else None
    conventions = dataclasses.replace(conventions_of(tokenizer), max_length=context)
    write_tokenizer_folder(backend, conventions, out)


def text_field(fields: dict[str, Any], name: str) -> str:
    """Return a text of the GGUF header, empty where there is none."""
    return str(fields[name].contents()) if name in fields else ""
