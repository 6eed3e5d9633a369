"""Random decoders of two small layers, of any kind, alone or with a tokenizer of some whole words."""

from pathlib import Path
from typing import Any

import tiny_vocabularies as tiny
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


def save_decoder(folder: Path, seed: int, kind: str = "llama", **config: Any) -> Path:
    """Write the weights; `config` holds the number of tokens, and what differs from the shape."""
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SHAPE | config)).save_pretrained(folder)
    return folder


def save_with_words(folder: Path, style: str, words: list[str], seed: int, **config: Any) -> Path:
    """Write a decoder and its tokenizer."""
    tiny.make(folder, style, words)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": None}
    return save_decoder(folder, seed, vocab_size=len(tokenizer), **ids, **config)
