"""Makes new embedding tables from an initialisation and the model's own."""

import numpy as np
import torch
from scipy.sparse import csr_matrix

from pipeline.errors import UserError
from stages.map_embeddings.initialization import Fallback, Initialization

BLOCK_ROWS = 4096
"""Target rows computed at once: bounds the memory beside the two tables themselves."""


def apply_initialization(
    initialization: Initialization, table: torch.Tensor, unknown: int | None, seed: int, head: bool
) -> torch.Tensor:
    """Return the new table, shape (target tokens, hidden), in the old one's dtype.

    `unknown` is the source id of `<unk>`. A head gets draws of its own where rows are drawn. Raises UserError where the
    table has fewer rows than the source vocabulary, or a row would not be finite.
    """
    weights = initialization.input_weights
    if head and initialization.head_weights is not None:
        weights = initialization.head_weights
    tokens, known = weights.shape
    if table.shape[0] < known:
        raise UserError(f"the base model has {table.shape[0]} embedding rows for a tokenizer of {known} tokens")
    source = table[:known].to(torch.float32).numpy()
    new = torch.empty((tokens, table.shape[1]), dtype=table.dtype)
    empty = np.diff(weights.indptr) == 0
    fill = fallback_rows(initialization.fallback, source, int(empty.sum()), unknown, [seed, int(head)])
    filled = np.cumsum(empty) - empty
    for start in range(0, tokens, BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, tokens))
        block = mapped_rows(weights[rows[0] : rows[-1] + 1], source)
        blank = empty[rows]
        block[blank] = fill[filled[rows[blank]]] if len(fill) > 1 else fill
        if initialization.row_scale is not None:
            block *= initialization.row_scale[rows, None].astype(np.float32)
        new[start : start + len(rows)] = torch.from_numpy(block).to(table.dtype)
    if not torch.isfinite(new).all():
        raise UserError("a new embedding row is not finite: the base model's own table has such rows. Fetch it again.")
    return new


def mapped_rows(weights: csr_matrix, source: np.ndarray) -> np.ndarray:
    """Return weights @ source in float32; a row with one weight of 1 is the source row, to the last bit."""
    rows: np.ndarray = np.asarray(weights.astype(np.float32) @ source, dtype=np.float32)
    return rows


def fallback_rows(
    fallback: Fallback, source: np.ndarray, number: int, unknown: int | None, seed: list[int]
) -> np.ndarray:
    """Return rows for tokens without evidence: one that serves all, or as many as `number`."""
    if number == 0:
        return np.zeros((0, source.shape[1]), dtype=np.float32)
    if fallback == "unk":
        if unknown is None:
            raise UserError("the mapping falls back to <unk>, which the source tokenizer does not have")
        return source[unknown : unknown + 1]
    if fallback == "mean":
        mean: np.ndarray = source.mean(axis=0, dtype=np.float64)[None].astype(np.float32)
        return mean
    if fallback == "independent":
        spread = np.sqrt(np.square(source, dtype=np.float64).mean())
        drawn = np.random.default_rng(seed).standard_normal((number, source.shape[1]))
        return np.asarray(spread * drawn, dtype=np.float32)
    return normal_rows(source, number, seed)


def normal_rows(source: np.ndarray, number: int, seed: list[int]) -> np.ndarray:
    """Draw rows from the normal distribution with the mean and covariance of the source rows.

    With the triangle R of the centred rows, R^T R / (n - 1) is their covariance, whatever its rank; no covariance needs
    to be inverted. One thread, since the sums depend on their number.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = torch.from_numpy(source).to(torch.float64)
        mean = rows.mean(dim=0)
        triangle = torch.linalg.qr(rows - mean, mode="r").R / max(len(rows) - 1, 1) ** 0.5
        drawn = np.random.default_rng(seed).standard_normal((number, triangle.shape[0]))
        rows = mean + torch.from_numpy(drawn) @ triangle
        return np.asarray(rows.to(torch.float32).numpy())
    finally:
        torch.set_num_threads(threads)
