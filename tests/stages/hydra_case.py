"""Tiny random decoders of every kind that the project adapts, and Hydra models of them."""

from pathlib import Path

import tiny_vocabularies as tiny
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from stages.build_hydra.folder import VocabularySource, write_hydra

KINDS = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text")
SLIDING = ("mistral", "gemma2", "gemma3_text")
ENGLISH = [" the", " house", " is", " big", " Translate", ":", " a", " book", "s", ".", " from", " into", " Tatar"]
TATAR = [" бу", " йорт", " зур", " китап", "лар", "ны", ".", " ул", " укый", " Казан"]


def write_plain(folder: Path, kind: str, tied: bool, words: list[str], style: str, seed: int) -> Path:
    tiny.make(folder, style, words)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=128,
        initializer_range=0.3,
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=None,
        # Shorter than the prompts; a Llama or Gemma has none.
        **({"sliding_window": 8} if kind in SLIDING else {}),
    )
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def write_pair(folder: Path, kind: str = "llama", tied: bool = True) -> tuple[Path, Path, Path]:
    """Write a source model, an adapted one and their Hydra model; return the three folders."""
    source = write_plain(folder / "source", kind, tied, ENGLISH, "sentencepiece", 1)
    adapted = write_plain(folder / "adapted", kind, tied, TATAR, "byte_level", 2)
    hydra = folder / "hydra"
    hydra.mkdir()
    write_hydra(
        VocabularySource("tt", adapted, {"tt": "Tatar"}),
        [VocabularySource("en", source, {"en": "English", "de": "German"})],
        hydra,
    )
    return source, adapted, hydra
