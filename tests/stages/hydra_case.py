"""Tiny random decoders of every kind that the project adapts, and Hydra models of them."""

from pathlib import Path

from tiny_decoders import save_with_words

from stages.build_hydra.folder import VocabularySource, write_hydra

KINDS = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text")
SLIDING = ("mistral", "gemma2", "gemma3_text")
ENGLISH = [" the", " house", " is", " big", " Translate", ":", " a", " book", "s", ".", " from", " into", " Tatar"]
TATAR = [" бу", " йорт", " зур", " китап", "лар", "ны", ".", " ул", " укый", " Казан"]


def write_plain(folder: Path, kind: str, tied: bool, words: list[str], style: str, seed: int) -> Path:
    # Shorter than the prompts; a Llama or Gemma has none.
    sliding = {"sliding_window": 8} if kind in SLIDING else {}
    shape = {"kind": kind, "tie_word_embeddings": tied, "max_position_embeddings": 128, "initializer_range": 0.3}
    return save_with_words(folder, style, words, seed, **shape, **sliding)


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
