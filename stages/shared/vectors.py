"""The folder in which trained vectors of tokens and words are handed from one stage to another."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from stages.shared.token_text import Vocabulary

TOKENS, WORDS, NAMES = "token_vectors.npy", "word_vectors.npy", "words.json"


@dataclass(frozen=True)
class Vectors:
    """Vectors of a tokenizer's tokens, and of words where they were trained on words; float32."""

    tokens: np.ndarray
    """Shape (tokens, dimension); rows of zeros for tokens that have none."""
    words: np.ndarray
    """Shape (words, dimension); none where the text was cut into tokens."""
    names: tuple[str, ...]
    """The words, in the order of their rows."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return int(self.tokens.shape[1])


def write_vectors(vectors: Vectors, folder: Path) -> None:
    """Write the three files."""
    np.save(folder / TOKENS, vectors.tokens.astype(np.float32))
    np.save(folder / WORDS, vectors.words.astype(np.float32))
    names = json.dumps(list(vectors.names), ensure_ascii=False, indent=0)
    (folder / NAMES).write_text(names + "\n", encoding="utf-8")


def read_vectors(folder: Path, vocabulary: Vocabulary) -> Vectors:
    """Read them for a vocabulary.

    Raises UserError where the folder holds none, those of another vocabulary, or numbers that are not finite.
    """
    try:
        tokens, words = np.load(folder / TOKENS), np.load(folder / WORDS)
        names = tuple(json.loads((folder / NAMES).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} holds no vectors ({error}): give a folder that train_vectors has written") from None
    if tokens.ndim != 2 or len(tokens) != len(vocabulary):
        raise UserError(
            f"{folder}: vectors of shape {tokens.shape} for the {len(vocabulary)} tokens of {vocabulary.folder}. "
            "Train them with this tokenizer."
        )
    if len(words) != len(names) or not (np.isfinite(tokens).all() and np.isfinite(words).all()):
        raise UserError(f"{folder}: its vectors are damaged. Train them again.")
    return Vectors(tokens, words, names)
