"""WECHSEL: means of the source tokens nearest in aligned word vectors (Minixhofer et al., NAACL 2022)."""

from pathlib import Path

import numpy as np
from scipy.linalg import orthogonal_procrustes
from threadpoolctl import threadpool_limits

from pipeline.errors import UserError
from stages.map_embeddings.initialization import Initialization, MappingTask
from stages.map_embeddings.methods import init_method
from stages.map_embeddings.same_text import copy_partners, special_partners
from stages.map_embeddings.shared_tokens import combine, in_string_order, onto_sources, wordless
from stages.map_embeddings.similarity import softmax_of_nearest, unit_rows
from stages.shared.vectors import Vectors, read_vectors


@init_method(needs=("dictionary", "source_vectors", "target_vectors"))
def wechsel(task: MappingTask, *, neighbors: int, temperature: float, copy_wordless: bool) -> Initialization:
    """Turn the source vectors by a dictionary, then weight the nearest source tokens by softmax (arXiv 2112.06598).

    Special tokens are copied, and with `copy_wordless` all that holds no letter: bytes, numbers, punctuation.
    """
    if neighbors < 1 or temperature <= 0:
        raise UserError(f"mapping.options: neighbors={neighbors} and temperature={temperature} must be above 0")
    # The registry has checked `needs`.
    assert task.source_vectors is not None
    assert task.target_vectors is not None
    assert task.dictionary is not None
    source, target = read_vectors(task.source_vectors, task.source), read_vectors(task.target_vectors, task.target)
    turned = unit_rows(source.tokens.astype(np.float64) @ rotation(source, target, task.dictionary))
    partner = copied_tokens(task, copy_wordless)
    rows = np.flatnonzero((partner < 0) & np.any(target.tokens != 0, axis=1) & ~task.target.special)
    # `house` and `▁house` share a vector: comparing it once takes less time, and their tie is no matter of rounding.
    known = np.flatnonzero(np.any(turned != 0, axis=1) & ~task.source.special)
    if not len(known):
        raise UserError(f"no source token has a vector in {task.source_vectors}: train them on more text")
    known = in_string_order(known, task.source)
    columns, column_of = distinct_rows(turned[known])
    firsts, row_of = distinct_rows(target.tokens[rows])
    unit, numbers = unit_rows(target.tokens[rows[firsts]]), np.bincount(column_of)
    nearest = softmax_of_nearest(unit, turned[known[columns]], numbers, neighbors, temperature)
    ids = known[np.argsort(column_of, kind="stable")]
    return combine(task, partner, rows, onto_sources(nearest[row_of], ids, task))


def copied_tokens(task: MappingTask, copy_wordless: bool) -> np.ndarray:
    """Return the source id that each target token copies, -1 where it is to be compared by vectors."""
    partner = copy_partners(task.source, task.target)
    compared = ~task.target.special & ~(wordless(task.target) if copy_wordless else np.zeros(len(partner), dtype=bool))
    # A role may be that of a token which is text besides.
    compared[special_partners(task.source, task.target)[0]] = False
    partner[compared] = -1
    return partner


def rotation(source: Vectors, target: Vectors, dictionary: Path) -> np.ndarray:
    """Return the orthogonal matrix that brings source words nearest to their translations (Schönemann 1966).

    Each pair counts once for each spelling of either word (as it stands, small, Title) that both sides know. Raises
    UserError where they know none, or the dimensions differ.
    """
    if source.dimension != target.dimension:
        raise UserError(f"word vectors of {source.dimension} and {target.dimension} numbers: train both alike")
    numbers = [{name: number for number, name in enumerate(part.names)} for part in (source, target)]
    pairs = [
        (one, other)
        for word, translation in read_dictionary(dictionary)
        for one in _spellings(word, numbers[0])
        for other in _spellings(translation, numbers[1])
    ]
    if not pairs:
        raise UserError(f"{dictionary}: no pair has a vector on both sides: give a larger one, or more text")
    left, right = np.array(pairs).T
    known = source.words[left].astype(np.float64), target.words[right].astype(np.float64)
    with threadpool_limits(1, "blas"):  # the matrices are small: threads would wait for each other most of the time
        turn: np.ndarray = orthogonal_procrustes(*known)[0]
    return turn


def _spellings(word: str, numbers: dict[str, int]) -> list[int]:
    return [numbers[name] for name in (word, word.lower(), word.title()) if name in numbers]


def read_dictionary(path: Path) -> list[tuple[str, str]]:
    """Return pairs of source word and target word; UserError names a line that is none."""
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        parts = line.strip().split("\t") if "\t" in line.strip() else line.split()
        if len(parts) != 2:
            if parts in ([], [""]):
                continue
            raise UserError(f"{path}, line {number}: {line!r} is not a source word, a tab and a target word")
        pairs.append((parts[0].strip(), parts[1].strip()))
    return pairs


def distinct_rows(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first place of each different row, and for each row which of these it is like.

    >>> [part.tolist() for part in distinct_rows(np.array([[1, 2], [3, 4], [1, 2]]))]
    [[0, 1], [0, 1, 0]]
    """
    found: dict[bytes, int] = {}
    like = np.array([found.setdefault(row.tobytes(), len(found)) for row in vectors], dtype=np.int64)
    return np.unique(like, return_index=True)[1], like
