"""train_vectors: vectors of tokens and words, for methods that tell by them what is alike."""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import numpy as np

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.shared.text_sample import sampled_texts, text_bytes
from stages.shared.token_text import Vocabulary, load_vocabulary
from stages.shared.vectors import Vectors, write_vectors
from stages.train_vectors.fasttext import train_fasttext, vectors_of
from stages.train_vectors.sentences import token_sentences, word_sentences
from stages.train_vectors.settings import TrainVectorsSettings

COLUMNS = {"corpus": "text", "bitext": "source_text"}
"""What is read of each input: of a bitext the side of the base model's language."""


def train_vectors(
    settings: TrainVectorsSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Train on the train split of the corpus or the bitext that is among the inputs, and write the vectors.

    `tokenizer` cuts the text, or has its tokens looked up among the words by the text that they stand for.
    """
    began = perf_counter()
    vocabulary = load_vocabulary(inputs["tokenizer"])
    origin = next(name for name in COLUMNS if name in inputs)
    parquet, column = inputs[origin] / "train.parquet", COLUMNS[origin]
    total = text_bytes(parquet, column)
    if total == 0:
        raise UserError(f"{parquet} has no text to train vectors on: add a {origin} to the language's data cards.")
    texts = sampled_texts(parquet, column, total, settings.vectors.max_bytes)
    by_token = settings.unit == "token"
    sentences = token_sentences(texts, vocabulary) if by_token else word_sentences(texts)
    cut = perf_counter()
    trained = train_fasttext(sentences, settings.vectors)
    if by_token:
        tokens = vectors_of(vocabulary.tokens, trained, subwords=False)
        words: tuple[str, ...] = ()
    else:
        tokens = vectors_of(token_words(vocabulary), trained, subwords=True)
        words = tuple(sorted(trained.key_to_index))
    write_vectors(Vectors(tokens, vectors_of(words, trained, subwords=False), words), out)
    return {
        "unit": settings.unit,
        "running_units": len(sentences.units),
        "units": len(trained.key_to_index),
        "tokens": len(vocabulary),
        "token_share": round(float(np.any(tokens != 0, axis=1).mean()), 6),
        "cut_seconds": round(cut - began, 3),
        "training_seconds": round(perf_counter() - cut, 3),
    }


def token_words(vocabulary: Vocabulary) -> list[str]:
    """Return the text of each token without the spaces around it; nothing for special tokens and parts of characters.

    >>> from types import SimpleNamespace
    >>> token_words(SimpleNamespace(text=[b"", b" een", bytes([0xC3])]))
    ['', 'een', '']
    """
    words = []
    for text in vocabulary.text:
        try:
            words.append(text.decode().strip())
        except UnicodeDecodeError:
            words.append("")
    return words
