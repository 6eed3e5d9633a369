"""Orthogonal matching pursuit: rebuild a token's donor vector of few shared tokens (Goddard & Fernandes Neto 2025)."""

from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from tqdm import tqdm

from pipeline.errors import UserError
from stages.map_embeddings.focus import anchors_and_rows
from stages.map_embeddings.initialization import Initialization, MappingTask
from stages.map_embeddings.methods import init_method
from stages.map_embeddings.same_text import copy_partners
from stages.map_embeddings.shared_tokens import combine, onto_sources
from stages.shared.token_text import Vocabulary, load_vocabulary
from stages.shared.vectors import read_vectors

BLOCK_NUMBERS = 1 << 23
TOLERANCE = 1e-6
"""Of a target's length: what is left of it below this is rounding. The vectors are float32."""


@init_method(needs=("token_vectors",), instead={"token_vectors": "donor"})
def omp(task: MappingTask, *, k: int) -> Initialization:
    """Carry over to the source rows what rebuilds a token in a donor's (arXiv 2506.06607, the code: mergekit).

    The donor's table is that of the `donor` model where there is one, else the token vectors. Weights need not sum to
    one, and may be negative.
    """
    if k < 1:
        raise UserError(f"mapping.options.k={k} must be at least 1")
    if task.donor is not None:
        vectors = donor_table(task.donor, task.target)
    else:
        assert task.token_vectors is not None  # the registry has checked `needs`
        vectors = read_vectors(task.token_vectors, task.target).tokens
    partner = copy_partners(task.source, task.target)
    anchors, rows = anchors_and_rows(vectors, partner, task.target)
    weights = pursue(vectors[rows], vectors[anchors], k)
    return combine(task, partner, rows, onto_sources(weights, partner[anchors], task))


def donor_table(folder: Path, target: Vocabulary) -> np.ndarray:
    """Return a model's input table, float32, shape (target tokens, hidden).

    Raises UserError where the model has another vocabulary.
    """
    import torch  # slow to import, and planning imports this module

    from stages.shared.model_folder import open_model

    if load_vocabulary(folder).tokens != target.tokens:
        raise UserError(f"the donor {folder} has not the vocabulary of {target.folder}: give a model that has")
    model = open_model(folder)
    table: np.ndarray = model.read(model.input_name).to(torch.float32).numpy()[: len(target)]
    if len(table) < len(target):
        raise UserError(f"the donor {folder} has {len(table)} embedding rows for {len(target)} tokens: give another")
    return table


def pursue(targets: np.ndarray, atoms: np.ndarray, k: int) -> csr_matrix:
    """Return the weights of at most `k` atoms that rebuild each target, shape (targets, atoms).

    Each round takes the atom with the largest inner product with what is left (atoms keep their lengths, as in the
    authors' code) and fits all that were taken by least squares.
    """
    k = min(k, *atoms.shape)
    step = max(1, BLOCK_NUMBERS // max(len(atoms), k * atoms.shape[1]))
    rows, columns, data = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for start in tqdm(range(0, len(targets), step), desc="matching pursuit", unit=" blocks", mininterval=1):
        chosen, weights = _pursue_block(targets[start : start + step].astype(np.float64), atoms, k)
        taken = chosen >= 0
        rows.append(np.repeat(np.arange(start, start + len(chosen)), taken.sum(axis=1)))
        columns.append(chosen[taken])
        data.append(weights[taken])
    where = np.concatenate(rows), np.concatenate(columns)
    return csr_matrix((np.concatenate(data), where), shape=(len(targets), len(atoms)))


def _pursue_block(targets: np.ndarray, atoms: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the chosen atoms in their order, -1 where a target was rebuilt before, and their weights; shape (rows, k).

    The chosen atoms are Q R with orthonormal rows in Q, one more each round. Twice is enough to keep Q orthogonal.
    """
    number, dimension = targets.shape
    basis = np.zeros((number, k, dimension))
    triangle = np.tile(np.eye(k), (number, 1, 1))
    shares = np.zeros((number, k))
    chosen = np.full((number, k), -1, dtype=np.int64)
    left, enough = targets.copy(), TOLERANCE * np.linalg.norm(targets, axis=1)
    active = np.ones(number, dtype=bool)
    for turn in range(k):
        active &= np.linalg.norm(left, axis=1) > enough
        best = _best_atoms(left, atoms, chosen[:, :turn])
        atom = atoms[best].astype(np.float64)
        length, part, before = np.linalg.norm(atom, axis=1), np.zeros((number, turn)), basis[:, :turn]
        for _ in range(2):
            more = np.matmul(before, atom[:, :, None])[:, :, 0]
            atom -= np.matmul(more[:, None, :], before)[:, 0]
            part += more
        new = np.linalg.norm(atom, axis=1)
        # An atom that adds no direction was chosen by rounding: nothing is left that any atom could explain.
        active &= new > TOLERANCE * length
        basis[active, turn] = atom[active] / new[active, None]
        triangle[active, :turn, turn], triangle[active, turn, turn] = part[active], new[active]
        shares[:, turn] = np.einsum("id,id->i", basis[:, turn], left)  # zero where there is no new direction
        left -= shares[:, turn, None] * basis[:, turn]
        chosen[active, turn] = best[active]
    return chosen, _solve_upper(triangle, shares)


def _best_atoms(left: np.ndarray, atoms: np.ndarray, taken: np.ndarray) -> np.ndarray:
    products = np.abs(left.astype(np.float32) @ atoms.T)
    rows, turns = np.nonzero(taken >= 0)
    products[rows, taken[rows, turns]] = -1.0
    best: np.ndarray = products.argmax(axis=1)
    return best


def _solve_upper(triangle: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve upper triangular systems, shapes (rows, k, k) and (rows, k), from the last unknown to the first."""
    found = np.zeros_like(right)
    for place in reversed(range(right.shape[1])):
        known = np.einsum("ij,ij->i", triangle[:, place, place + 1 :], found[:, place + 1 :])
        found[:, place] = (right[:, place] - known) / triangle[:, place, place]
    return found
