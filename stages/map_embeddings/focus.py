"""FOCUS: copy the tokens that both vocabularies have, the others are means of those alike (Dobler & de Melo 2023)."""

import numpy as np

from pipeline.errors import UserError
from stages.map_embeddings.initialization import Initialization, MappingTask
from stages.map_embeddings.methods import init_method
from stages.map_embeddings.same_text import copy_partners
from stages.map_embeddings.shared_tokens import combine, in_string_order, onto_sources
from stages.map_embeddings.similarity import sparsemax_of_cosines, unit_rows
from stages.shared.token_text import Vocabulary
from stages.shared.vectors import read_vectors

MATCHES = ("exact", "fuzzy")


@init_method(needs=("token_vectors",))
def focus(task: MappingTask, *, match: str) -> Initialization:
    """Weight shared tokens by sparsemax of the cosines of auxiliary vectors (arXiv 2305.14481, section 3).

    `match` is `exact` (the same text) or `fuzzy` (in any case, with or without a space before it).
    """
    if match not in MATCHES:
        raise UserError(f"mapping.options.match={match!r}: choose one of {', '.join(MATCHES)}")
    assert task.token_vectors is not None  # the registry has checked `needs`
    vectors = read_vectors(task.token_vectors, task.target).tokens
    partner = copy_partners(task.source, task.target)
    if match == "fuzzy":
        partner = np.where(partner >= 0, partner, fuzzy_partners(task.source, task.target))
    anchors, rows = anchors_and_rows(vectors, partner, task.target)
    unit = unit_rows(vectors)
    weights = sparsemax_of_cosines(unit[rows], unit[anchors])
    return combine(task, partner, rows, onto_sources(weights, partner[anchors], task))


def anchors_and_rows(vectors: np.ndarray, partner: np.ndarray, target: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return the target ids of shared tokens with a vector, and of others with one.

    Special tokens are neither: what they stand for is no text. Raises UserError where there is no shared token.
    """
    known = np.any(vectors != 0, axis=1) & ~target.special
    anchors = in_string_order(np.flatnonzero(known & (partner >= 0)), target)
    if not len(anchors):
        raise UserError(
            "no token that both vocabularies have has a vector: train the vectors on more text, or lower "
            "vectors.tokens.min_count"
        )
    return anchors, np.flatnonzero(known & (partner < 0))


def fuzzy_partners(source: Vocabulary, target: Vocabulary) -> np.ndarray:
    """Return for each target token the source token of the same letters but for case and spaces, else -1.

    Of several the one in small letters without a space goes first, then the first in the order of strings.
    """
    found: dict[str, int] = {}
    names = _fuzzy_names(source)
    order = sorted(range(len(source)), key=lambda row: (source.text[row] != names[row].encode(), source.tokens[row]))
    for row in order:
        if names[row]:
            found.setdefault(names[row], row)
    return np.array([found.get(name, -1) if name else -1 for name in _fuzzy_names(target)], dtype=np.int64)


def _fuzzy_names(vocabulary: Vocabulary) -> list[str]:
    """Return the letters of each token, nothing for special tokens and parts of characters."""
    names = []
    for text in vocabulary.text:
        try:
            names.append(text.decode().replace(" ", "").lower())
        except UnicodeDecodeError:
            names.append("")
    return names
