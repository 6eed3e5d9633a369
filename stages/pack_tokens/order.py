"""The seeded order of documents, the same for every tokenizer."""

import hashlib
from collections.abc import Iterator

import numpy as np


def document_order(ids: list[str], seed: int, epoch: int, repeats: np.ndarray | None = None) -> np.ndarray:
    """Return the row numbers of the documents in the order of one epoch, int64, shape (sum of repeats,).

    Sorts by a hash of seed, epoch and document id rather than by a random generator: the order then depends on no
    library's version, and documents added to the corpus leave the others in their order.

    >>> document_order(["a", "b", "c"], seed=1, epoch=0).tolist()
    [1, 2, 0]

    `repeats` says how often each is read in an epoch; None: once.

    >>> document_order(["a", "b", "c"], seed=1, epoch=0, repeats=np.array([2, 1, 0])).tolist()
    [0, 1, 0]
    """
    times = np.ones(len(ids), dtype=np.int64) if repeats is None else repeats
    keys = np.fromiter(
        (
            _key(f"{seed}/{epoch}/{name}" if again == 0 else f"{seed}/{epoch}/{name}#{again}")
            for name, count in zip(ids, times.tolist(), strict=True)
            for again in range(count)
        ),
        dtype=np.uint64,
        count=int(times.sum()),
    )
    return np.repeat(np.arange(len(ids)), times)[np.argsort(keys, kind="stable")]


def _key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def orders(ids: list[str], seed: int, repeats: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Yield the order of epoch after epoch, without end."""
    epoch = 0
    while True:
        yield document_order(ids, seed, epoch, repeats)
        epoch += 1


def fitting_rows(order: np.ndarray, lengths: np.ndarray, most: int) -> np.ndarray:
    """Return the rows of `order` whose lengths, taken one after the other, stay within `most`; at least one row.

    Rows that no longer fit are passed over, so that one long document does not end the selection.

    >>> fitting_rows(np.array([2, 0, 1]), np.array([5, 1, 3]), most=8).tolist()
    [2, 0]
    """
    chosen, left = [], most
    for row in order:
        if lengths[row] <= left:
            chosen.append(row)
            left -= lengths[row]
    if not chosen and len(order):
        chosen = [min(order, key=lambda row: lengths[row])]
    return np.array(chosen, dtype=np.int64)
