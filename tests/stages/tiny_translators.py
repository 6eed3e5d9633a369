"""Tiny random translation models with real small tokenizers: Marian, and one of many languages as NLLB is.

Each is more inclined to end a text than chance has it, so that some of its texts are whole and some are cut off.
"""

import json
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from hydra_models import PAIRS
from tokenizers import SentencePieceBPETokenizer
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    NllbTokenizer,
)

SMALL = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
SMALL |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 128}


def save_marian(folder: Path) -> Path:
    """Write a Marian from Tatar to English: a SentencePiece model for each, one vocabulary for both."""
    folder.mkdir(parents=True)
    pieces: dict[str, int] = {"</s>": 0, "<unk>": 1}
    for name, texts in zip(("target", "source"), zip(*PAIRS, strict=True), strict=True):
        with (folder / f"{name}.spm").open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts), model_writer=file, vocab_size=300, minloglevel=2
            )
        read = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{name}.spm"))
        for number in range(3, read.get_piece_size()):
            pieces.setdefault(read.id_to_piece(number), len(pieces))
    pieces["<pad>"] = len(pieces)
    (folder / "vocab.json").write_text(json.dumps(pieces), encoding="utf-8")
    tokenizer = MarianTokenizer(*(str(folder / name) for name in ("source.spm", "target.spm", "vocab.json")))
    tokenizer.save_pretrained(folder)
    pad = pieces["<pad>"]
    special = {"pad_token_id": pad, "eos_token_id": 0, "bos_token_id": 0, "forced_eos_token_id": 0}
    torch.manual_seed(1)
    config = MarianConfig(vocab_size=len(pieces), decoder_start_token_id=pad, init_std=0.5, **special, **SMALL)
    model: Any = MarianMTModel(config)
    model.final_logits_bias[0, config.eos_token_id] = 10.0
    model.save_pretrained(folder)
    return folder


def save_nllb(folder: Path) -> Path:
    """Write a model with NLLB's tokenizer, in which a text begins with its language's code."""
    trained = SentencePieceBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trained.train_from_iterator((text for pair in PAIRS for text in pair), 400, special_tokens=special)
    described = json.loads(trained.to_str())["model"]
    codes = ["eng_Latn", "tat_Cyrl"]
    tokenizer = NllbTokenizer(
        vocab=described["vocab"], merges=[tuple(pair) for pair in described["merges"]], extra_special_tokens=codes
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    known = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
    config = M2M100Config(vocab_size=len(tokenizer), init_std=0.5, **known, **SMALL)
    model: Any = M2M100ForConditionalGeneration(config)
    with torch.no_grad():
        model.get_output_embeddings().weight[config.eos_token_id] *= 3.0
    model.save_pretrained(folder)
    return folder
