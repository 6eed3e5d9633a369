"""What an initialisation method is given and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix

from stages.shared.token_text import Vocabulary

Fallback = Literal["mean", "normal", "independent", "unk"]
UNMAPPED, ALIGNED, COPIED, SMOOTHED, SIMILAR, SPELLED = range(6)
HOW = ("fallback", "aligned", "copied", "smoothed", "similar", "spelled")
"""Names of the codes in `Initialization.how`."""


@dataclass(frozen=True)
class MappingTask:
    """What there is to map with; a method names in `needs` what it cannot do without."""

    source: Vocabulary
    target: Vocabulary
    table: Path | None = None
    """fast_align's table."""
    pivot_tables: tuple[Path, ...] = ()
    """Tables of the same target tokens aligned with further languages that the source tokenizer cuts."""
    text: Path | None = None
    """Text in the target language."""
    dictionary: Path | None = None
    """Bilingual dictionary, source and target word separated by a tab."""
    donor: Path | None = None
    """Folder of a model with the target vocabulary."""
    token_vectors: Path | None = None
    """Folder of vectors of the target tokens, trained on text cut into them."""
    source_vectors: Path | None = None
    """Folder of vectors of source words, and of the source tokens among them."""
    target_vectors: Path | None = None
    """The same of the target language."""


@dataclass(frozen=True)
class Initialization:
    """Sparse weights, target tokens x source tokens, and how to fill the rows that are empty."""

    weights: csr_matrix
    """Of the input table and of an untied head alike; rows empty or finite, those of a convex method sum to one."""
    fallback: Fallback
    """What fills the empty rows: the mean source row, a draw from the rows' normal distribution, numbers that are drawn
    independently with the table's root mean square, or `<unk>`'s row."""
    how: np.ndarray
    """Where each row came from, codes into HOW, shape (target tokens,)."""
    counts: csr_matrix | None = None
    """Integer token-pair counts before smoothing, for methods that count."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time by part of the work."""
    prior: "Initialization | None" = None
    """Another convex mapping, towards which the rows may be moved where the evidence is poor."""

    @property
    def mapped_share(self) -> float:
        """Share of the target tokens that have evidence, 0 to 1."""
        return float((self.how != UNMAPPED).mean()) if len(self.how) else 0.0


def empty_weights(task: MappingTask) -> csr_matrix:
    """Return weights without any entry, shape (target tokens, source tokens)."""
    return csr_matrix((len(task.target), len(task.source)), dtype=np.float64)


def normalize_rows(weights: csr_matrix) -> csr_matrix:
    """Divide each row by its sum; empty rows stay empty."""
    totals = np.asarray(weights.sum(axis=1)).ravel()
    lengths = np.diff(weights.indptr)
    data = weights.data / np.repeat(np.where(totals > 0, totals, 1.0), lengths)
    return csr_matrix((data, weights.indices, weights.indptr), shape=weights.shape)
