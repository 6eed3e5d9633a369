"""Folders of vectors for tests of mapping."""

import numpy as np

from stages.shared.vectors import Vectors, write_vectors


def write(folder, tokens, names=(), words=None):
    """Write vectors of tokens, shape (tokens, dimension), and of the words `names`; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = np.asarray(tokens, dtype=np.float32)
    words = np.zeros((0, tokens.shape[1])) if words is None else np.asarray(words)
    write_vectors(Vectors(tokens, words.astype(np.float32), tuple(names)), folder)
    return folder


def drawn(vocabulary, dimension=8, seed=0):
    """Return a vector for each text, the same whatever the order of the vocabulary; none for special tokens."""
    rows = [
        np.zeros(dimension)
        if special
        else np.random.default_rng([seed, *text.strip()]).standard_normal(dimension) * bool(text.strip())
        for text, special in zip(vocabulary.text, vocabulary.special, strict=True)
    ]
    return np.array(rows, dtype=np.float32)
