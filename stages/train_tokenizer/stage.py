"""train_tokenizer: a vocabulary for the target language with the base model's conventions."""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from pipeline.stage import Execution, Metrics
from stages.shared.artifact import write_json
from stages.shared.byte_level_bpe import train_byte_level_bpe
from stages.shared.fertility import TokenCounter, first_texts
from stages.shared.tokenizer_conventions import TokenizerConventions, read_conventions
from stages.shared.tokenizer_folder import write_tokenizer_folder
from stages.train_tokenizer.measure import byte_fallback
from stages.train_tokenizer.sentencepiece_bpe import to_tokenizer, train_sentencepiece
from stages.train_tokenizer.settings import TokenizerSettings, TrainTokenizerSettings
from stages.train_tokenizer.training_text import training_texts

MEASURED_BYTES = 1_000_000
"""Validation text for the figures: enough for three digits."""


def train_tokenizer(
    settings: TrainTokenizerSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Train on the corpus' train split and write a folder that AutoTokenizer loads, with tokenizer_metrics.json."""
    began = perf_counter()
    base = read_conventions(inputs["base_model"])
    write_tokenizer(settings.tokenizer, inputs["corpus"] / "train.parquet", base, out)
    trained = perf_counter()
    metrics = measure(settings.tokenizer, inputs, out)
    write_json(out / "tokenizer_metrics.json", metrics)
    return {**metrics, "training_seconds": round(trained - began, 3)}


def write_tokenizer(settings: TokenizerSettings, parquet: Path, base: TokenizerConventions, out: Path) -> None:
    """Train the chosen kind and write its folder; SentencePiece's own model file stands beside tokenizer.json."""
    texts = training_texts(parquet, settings.max_bytes)
    if settings.kind == "sentencepiece":
        model = train_sentencepiece(texts, settings, base)
        (out / "tokenizer.model").write_bytes(model)
        tokenizer = to_tokenizer(model)
    else:
        assert settings.min_frequency is not None, "checked by the settings"
        tokenizer = train_byte_level_bpe(
            texts, settings.vocabulary_size, settings.min_frequency, base.special_tokens, "tokenizer.vocabulary_size"
        )
    write_tokenizer_folder(tokenizer, base, out)


def measure(settings: TokenizerSettings, inputs: Mapping[str, Path], out: Path) -> dict[str, Any]:
    """Return the figures on the validation split, the base model's tokenizer beside the new one."""
    texts = first_texts(inputs["corpus"] / "validation.parquet", MEASURED_BYTES)
    new, base = TokenCounter(out), TokenCounter(inputs["base_model"])
    spelled = byte_fallback(new, texts) if settings.kind == "sentencepiece" else {}
    return {
        "kind": settings.kind,
        "vocabulary_size": settings.vocabulary_size,
        "validation_bytes": sum(len(text.encode()) for text in texts),
        "tokens_per_word": new.tokens_per_word(texts),
        "base_tokens_per_word": base.tokens_per_word(texts),
        **spelled,
    }
