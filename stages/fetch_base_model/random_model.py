"""Tiny models without knowledge, for trying the chain."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    RobertaConfig,
    RobertaForMaskedLM,
)

from pipeline.provenance import ROOT
from stages.fetch_base_model.settings import (
    BaseModelSettings,
    RandomEncoderSource,
    RandomMistralSource,
    RandomModelSource,
    RandomSource,
)
from stages.shared.byte_level_bpe import train_byte_level_bpe
from stages.shared.tokenizer_conventions import TokenizerConventions
from stages.shared.tokenizer_folder import write_tokenizer_folder

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
ENCODER_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
SHARING_HEADS = 4
"""Heads of a Mistral that share their keys and values, as in Mistral-7B."""

AnyRandomSource = RandomModelSource | RandomMistralSource | RandomEncoderSource


def write_random_model(model: BaseModelSettings, source: AnyRandomSource, out: Path) -> None:
    """Write a model with random weights and a byte-level tokenizer trained on `source.text`.

    A Llama or Mistral with a tokenizer as SmolLM2's in kind, or a RoBERTa with one as RobBERT's.
    """
    encoder = isinstance(source, RandomEncoderSource)
    conventions = encoder_conventions(source) if encoder else decoder_conventions(source)
    special = conventions.special_tokens
    tokenizer = train_byte_level_bpe(read_text(source), model.vocabulary_size, 1, special, "base_model.vocabulary_size")
    write_tokenizer_folder(tokenizer, conventions, out)
    roles = ("bos_token", "eos_token", "pad_token")
    ids: dict[str, Any] = {f"{role}_id": special.index(conventions.roles[role]) for role in roles}
    sizes: dict[str, Any] = {
        "vocab_size": model.vocabulary_size,
        "hidden_size": model.hidden_size,
        "intermediate_size": source.intermediate_size,
        "num_hidden_layers": model.layers,
        "num_attention_heads": source.heads,
        "tie_word_embeddings": source.tied,
    }
    with torch.random.fork_rng(devices=[]):  # transformers draws from the global generator
        torch.manual_seed(source.seed)
        draw_model(source, {**sizes, **ids}).save_pretrained(out)


def draw_model(source: AnyRandomSource, sizes: Mapping[str, Any]) -> PreTrainedModel:
    """Return the model of a source's architecture with weights from torch's global generator."""
    if isinstance(source, RandomEncoderSource):
        # RoBERTa counts its positions from the padding token's id.
        positions = source.context + sizes["pad_token_id"] + 1
        return RobertaForMaskedLM(RobertaConfig(**sizes, max_position_embeddings=positions, type_vocab_size=1))
    if isinstance(source, RandomMistralSource):
        config = MistralConfig(
            **sizes,
            num_key_value_heads=source.heads // SHARING_HEADS,
            max_position_embeddings=source.context,
            sliding_window=source.sliding_window,
        )
        return MistralForCausalLM(config)
    return LlamaForCausalLM(
        LlamaConfig(**sizes, num_key_value_heads=source.heads, max_position_embeddings=source.context)
    )


def decoder_conventions(source: RandomSource) -> TokenizerConventions:
    """Return SmolLM2's."""
    unk, bos, eos = SPECIAL_TOKENS
    return TokenizerConventions(
        special_tokens=SPECIAL_TOKENS,
        roles={"unk_token": unk, "bos_token": bos, "eos_token": eos, "pad_token": eos},
        adds_bos=False,
        adds_eos=False,
        around=None,
        max_length=source.context,
        padding_side="right",
        chat_template=None,
    )


def encoder_conventions(source: RandomSource) -> TokenizerConventions:
    """Return RobBERT's."""
    begin, pad, end, unk, mask = ENCODER_TOKENS
    roles = {"bos_token": begin, "eos_token": end, "unk_token": unk, "pad_token": pad}
    first, second = (f"{begin}:0", "$A:0", f"{end}:0"), (f"{end}:0", "$B:0", f"{end}:0")
    return TokenizerConventions(
        special_tokens=ENCODER_TOKENS,
        roles={**roles, "cls_token": begin, "sep_token": end, "mask_token": mask},
        adds_bos=True,
        adds_eos=True,
        around=(first, first + second),
        max_length=source.context,
        padding_side="right",
        chat_template=None,
    )


def read_text(source: RandomSource) -> Iterator[str]:
    """Yield the lines of the text file."""
    yield from (ROOT / source.text).read_text(encoding="utf-8").splitlines()
