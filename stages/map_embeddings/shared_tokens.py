"""What FOCUS, OMP and WECHSEL have in common: some tokens are copied, others are combinations of source rows."""

import numpy as np
import regex
from scipy.sparse import coo_matrix, csr_matrix

from stages.map_embeddings.initialization import COPIED, SIMILAR, UNMAPPED, Initialization, MappingTask
from stages.shared.token_text import Vocabulary

LETTER = regex.compile(r"[\p{L}\p{M}]")


def combine(task: MappingTask, partner: np.ndarray, rows: np.ndarray, weights: csr_matrix) -> Initialization:
    """Copy tokens that have a partner (source id, else -1); give the target tokens `rows` their `weights`.

    Shapes (target tokens,), (rows,), (rows, source tokens). What is left is drawn from the source rows' normal
    distribution.
    """
    copied = np.flatnonzero(partner >= 0)
    part = coo_matrix(weights)
    data = np.concatenate([np.ones(len(copied)), part.data])
    where = np.concatenate([copied, rows[part.row]]), np.concatenate([partner[copied], part.col])
    how = np.full(len(task.target), UNMAPPED, dtype=np.int8)
    how[rows] = SIMILAR
    how[copied] = COPIED
    combined = csr_matrix((data, where), shape=(len(task.target), len(task.source)))
    combined.sort_indices()
    return Initialization(combined, "normal", how)


def onto_sources(weights: csr_matrix, sources: np.ndarray, task: MappingTask) -> csr_matrix:
    """Return weights over anchors, shape (rows, anchors), as weights over the source ids that they stand for."""
    part = coo_matrix(weights)
    return csr_matrix((part.data, (part.row, sources[part.col])), shape=(weights.shape[0], len(task.source)))


def in_string_order(rows: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Return ids in the order of their tokens, so that no tie and no sum depends on the order of the vocabulary."""
    return np.array(sorted(rows.tolist(), key=lambda row: vocabulary.tokens[row]), dtype=np.int64)


def wordless(vocabulary: Vocabulary) -> np.ndarray:
    """Tell which tokens hold no letter: numbers, punctuation, spaces, parts of characters; shape (tokens,)."""
    return np.array([LETTER.search(text.decode(errors="ignore")) is None for text in vocabulary.text], dtype=bool)
