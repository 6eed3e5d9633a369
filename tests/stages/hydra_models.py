"""A tiny base model, a model of a new vocabulary and their Hydra model, and a bitext of real pairs."""

from pathlib import Path

from execution_here import here
from tiny_decoders import save_with_words

from stages.build_hydra.folder import VocabularySource, write_hydra
from stages.shared.text_table import PAIR, write_rows
from stages.shared.translation.settings import Language, Languages

PAIRS = [line.split("\t") for line in Path("tests/data/en-tt.tsv").read_text(encoding="utf-8").splitlines()]
PROMPT = "From {source_language} into {target_language}: {text} ="
LANGUAGES = Languages(
    source=Language(code="en", english_name="English"), target=Language(code="tt", english_name="Tatar")
)
EXECUTION = here(micro_batch=3)


def save_models(folder: Path) -> dict[str, Path]:
    """Return the folders of `base`, `adapted` and `hydra`."""
    texts = [[f" {word}" for word in " ".join(side).split()][:60] for side in zip(*PAIRS, strict=True)]
    base, adapted = (
        save_with_words(folder / name, "byte_level", list(dict.fromkeys(words)), seed, max_position_embeddings=512)
        for seed, (name, words) in enumerate(zip(("base", "adapted"), texts, strict=True), 1)
    )
    (folder / "hydra").mkdir()
    target, source = VocabularySource("tt", adapted, {"tt": "Tatar"}), VocabularySource("en", base, {"en": "English"})
    write_hydra(target, [source], folder / "hydra")
    return {"base": base, "adapted": adapted, "hydra": folder / "hydra"}


def save_bitext(folder: Path) -> Path:
    """Write training and test pairs, and the corpus of the training pairs' Tatar beside them."""
    folder.mkdir(parents=True)
    rows = [(str(number), f"page {number // 3}", "c", *pair) for number, pair in enumerate(PAIRS)]
    write_rows(folder / "train.parquet", PAIR, rows[:200])
    write_rows(folder / "test.parquet", PAIR, rows[200:])
    corpus = folder.parent / "corpus"
    corpus.mkdir()
    documents = [(*row[:3], row[4]) for row in rows[:200]]
    write_rows(corpus / "train.parquet", ("id", "group", "card", "text"), documents)
    return folder
