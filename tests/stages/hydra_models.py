"""A tiny base model, a model of a new vocabulary and their Hydra model, and a bitext of real pairs."""

from pathlib import Path

import tiny_vocabularies as tiny
import torch
from execution_here import here
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from stages.build_hydra.folder import VocabularySource, write_hydra
from stages.shared.text_table import DOCUMENT, PAIR, write_rows
from stages.shared.translation.settings import Language, Languages

PAIRS = [line.split("\t") for line in Path("tests/data/en-tt.tsv").read_text(encoding="utf-8").splitlines()]
PROMPT = "From {source_language} into {target_language}: {text} ="
LANGUAGES = Languages(
    source=Language(code="en", english_name="English"), target=Language(code="tt", english_name="Tatar")
)
EXECUTION = here(micro_batch=3)


def save_models(folder: Path) -> dict[str, Path]:
    """Return the folders of `base`, `adapted` and `hydra`."""
    words = [[f" {word}" for word in " ".join(side).split()][:60] for side in zip(*PAIRS, strict=True)]
    base = save_llama(folder / "base", "byte_level", words[0], 1)
    adapted = save_llama(folder / "adapted", "byte_level", words[1], 2)
    (folder / "hydra").mkdir()
    target, source = VocabularySource("tt", adapted, {"tt": "Tatar"}), VocabularySource("en", base, {"en": "English"})
    write_hydra(target, [source], folder / "hydra")
    return {"base": base, "adapted": adapted, "hydra": folder / "hydra"}


def save_llama(folder: Path, style: str, words: list[str], seed: int) -> Path:
    """Write a tiny random Llama with a tokenizer of some whole words."""
    tiny.make(folder, style, list(dict.fromkeys(words)))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
    )
    torch.manual_seed(seed)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def save_bitext(folder: Path) -> Path:
    """Write training and test pairs, and the corpus of the training pairs' Tatar beside them."""
    folder.mkdir(parents=True)
    rows = [(str(number), "g", "c", *pair) for number, pair in enumerate(PAIRS)]
    write_rows(folder / "train.parquet", PAIR, rows[:200])
    write_rows(folder / "test.parquet", PAIR, rows[200:])
    corpus = folder.parent / "corpus"
    corpus.mkdir()
    write_rows(corpus / "train.parquet", DOCUMENT, [(*row[:3], row[4]) for row in rows[:200]])
    return folder
