"""Weights with the unknown token written out, and figures about them."""

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from stages.map_embeddings.initialization import HOW, Initialization
from stages.shared.token_text import Vocabulary


def explicit_unknown(initialization: Initialization, source: Vocabulary) -> csr_matrix:
    """Return the input weights in which rows that fall back to `<unk>` say so; other fallbacks stay empty rows."""
    weights = initialization.weights
    if initialization.fallback != "unk":
        return weights
    empty = np.flatnonzero(np.diff(weights.indptr) == 0)
    unknown = np.full(len(empty), source.ids[source.roles["unk"]])
    return csr_matrix(weights + csr_matrix((np.ones(len(empty)), (empty, unknown)), shape=weights.shape))


def figures(initialization: Initialization) -> dict[str, Any]:
    """Return the share of target tokens that are mapped, and how many by which evidence, in the order of `HOW`."""
    numbers = np.bincount(initialization.how, minlength=len(HOW))
    return {
        "tokens": len(initialization.how),
        "mapped_share": round(initialization.mapped_share, 6),
        "by": {name: int(number) for name, number in zip(HOW, numbers, strict=True)},
        "fallback": initialization.fallback,
        "weights": int(initialization.weights.nnz),
    }
