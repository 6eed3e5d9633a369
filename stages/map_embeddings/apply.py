"""Makes new embedding tables from an initialisation and the model's own."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_matrix

from pipeline.errors import UserError
from stages.map_embeddings.initialization import Fallback, Initialization
from stages.map_embeddings.normal_rows import Draw, normal_rows

BLOCK_ROWS = 4096
"""Target rows computed at once: bounds the memory beside the two tables themselves."""


def apply_initialization(
    initialization: Initialization, tables: Sequence[torch.Tensor], unknown: int | None, seed: int, head: bool
) -> list[torch.Tensor]:
    """Return a new table, shape (target tokens, hidden), and new biases, shape (target tokens,), in the old dtypes.

    `tables` is the old table and what else the model has for each of its tokens, the biases of its head: a row and its
    biases are one vector, of which the new tokens get the same weighted means, copies or draws. `unknown` is the source
    id of `<unk>`. A head gets draws of its own where rows are drawn. Raises UserError where the table has fewer rows
    than the source vocabulary, or a row would not be finite.
    """
    weights = initialization.weights
    tokens, known = weights.shape
    if len(tables[0]) < known:
        raise UserError(f"the base model has {len(tables[0])} embedding rows for a tokenizer of {known} tokens")
    parts = [table[:known].to(torch.float32).numpy().reshape(known, -1) for table in tables]
    source = np.hstack(parts) if len(parts) > 1 else parts[0]
    cuts = np.cumsum([part.shape[1] for part in parts])[:-1]
    new = [torch.empty((tokens, *table.shape[1:]), dtype=table.dtype) for table in tables]
    empty = np.diff(weights.indptr) == 0
    number = int(empty.sum())
    draw = fallback_rows(initialization.fallback, parts, unknown, number, [seed, int(head)]) if number else None
    for start in range(0, tokens, BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, tokens))
        block = mapped_rows(weights[rows[0] : rows[-1] + 1], source)
        if draw is not None and empty[rows].any():
            block[empty[rows]] = draw(int(empty[rows].sum()))
        for table, part in zip(new, np.split(block, cuts, axis=1), strict=True):
            made = _finite(torch.from_numpy(part).to(table.dtype))
            table[start : start + len(rows)] = made.reshape(-1, *table.shape[1:])
    return new


def _finite(rows: torch.Tensor) -> torch.Tensor:
    if not torch.isfinite(rows).all():
        raise UserError("a new embedding row is not finite: the base model's own table has such rows. Fetch it again.")
    return rows


def mapped_rows(weights: csr_matrix, source: np.ndarray) -> np.ndarray:
    """Return weights @ source in float32; a row with one weight of 1 is the source row, to the last bit."""
    rows: np.ndarray = np.asarray(weights.astype(np.float32) @ source, dtype=np.float32)
    return rows


def fallback_rows(
    fallback: Fallback, parts: Sequence[np.ndarray], unknown: int | None, rows: int, seed: list[int]
) -> Draw:
    """Return what gives the rows of tokens without evidence, as they come; however many at once, they are the same.

    There are `rows` of them in all. `parts` are the columns of the source table and those of each bias, float32, shapes
    (source tokens, columns).
    """
    source = np.hstack(parts) if len(parts) > 1 else parts[0]
    if fallback == "unk":
        if unknown is None:
            raise UserError("the mapping falls back to <unk>, which the source tokenizer does not have")
        return lambda number: source[unknown : unknown + 1]
    if fallback == "mean":
        mean: np.ndarray = source.mean(axis=0, dtype=np.float64)[None].astype(np.float32)
        return lambda number: mean
    if fallback == "independent":
        spread = np.repeat(
            [np.sqrt(np.square(part, dtype=np.float64).mean()) for part in parts], [part.shape[1] for part in parts]
        )
        generator = np.random.default_rng(seed)
        return lambda number: np.asarray(spread * generator.standard_normal((number, source.shape[1])), np.float32)
    return normal_rows(source, rows, seed)
