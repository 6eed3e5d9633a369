"""A tiny model without knowledge, for trying the chain."""

from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from stages.fetch_base_model.settings import ROOT, BaseModelSettings, RandomModelSource
from stages.shared.byte_level_bpe import train_byte_level_bpe
from stages.shared.tokenizer_conventions import TokenizerConventions
from stages.shared.tokenizer_folder import write_tokenizer_folder

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def write_random_model(model: BaseModelSettings, source: RandomModelSource, out: Path) -> None:
    """Write a Llama with random weights and a byte-level tokenizer trained on `source.text`, as SmolLM2's in kind."""
    unk, bos, eos = SPECIAL_TOKENS
    conventions = TokenizerConventions(
        special_tokens=SPECIAL_TOKENS,
        roles={"unk_token": unk, "bos_token": bos, "eos_token": eos, "pad_token": eos},
        adds_bos=False,
        adds_eos=False,
        max_length=source.context,
        padding_side="right",
        chat_template=None,
    )
    tokenizer = train_byte_level_bpe(
        read_text(source), model.vocabulary_size, 1, SPECIAL_TOKENS, "base_model.vocabulary_size"
    )
    write_tokenizer_folder(tokenizer, conventions, out)
    config = LlamaConfig(
        vocab_size=model.vocabulary_size,
        hidden_size=model.hidden_size,
        intermediate_size=source.intermediate_size,
        num_hidden_layers=model.layers,
        num_attention_heads=source.heads,
        num_key_value_heads=source.heads,
        max_position_embeddings=source.context,
        tie_word_embeddings=source.tied,
        bos_token_id=SPECIAL_TOKENS.index(bos),
        eos_token_id=SPECIAL_TOKENS.index(eos),
        pad_token_id=SPECIAL_TOKENS.index(eos),
    )
    with torch.random.fork_rng(devices=[]):  # transformers draws from the global generator
        torch.manual_seed(source.seed)
        LlamaForCausalLM(config).save_pretrained(out)


def read_text(source: RandomModelSource) -> Iterator[str]:
    """Yield the lines of the text file."""
    yield from (ROOT / source.text).read_text(encoding="utf-8").splitlines()
