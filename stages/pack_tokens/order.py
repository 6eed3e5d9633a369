"""The seeded order of documents, the same for every tokenizer."""

import hashlib
from collections.abc import Iterator

import numpy as np


def document_order(ids: list[str], seed: int, epoch: int) -> np.ndarray:
    """Return the row numbers of the documents in the order of one epoch, int64, shape (documents,).

    Sorts by a hash of seed, epoch and document id rather than by a random generator: the order then depends on no
    library's version, and documents added to the corpus leave the others in their order.

    >>> document_order(["a", "b", "c"], seed=1, epoch=0).tolist()
    [1, 2, 0]
    """
    keys = np.empty(len(ids), dtype=np.uint64)
    for row, name in enumerate(ids):
        digest = hashlib.blake2b(f"{seed}/{epoch}/{name}".encode(), digest_size=8).digest()
        keys[row] = int.from_bytes(digest, "big")
    return np.argsort(keys, kind="stable")


def orders(ids: list[str], seed: int) -> Iterator[np.ndarray]:
    """Yield the order of epoch after epoch, without end."""
    epoch = 0
    while True:
        yield document_order(ids, seed, epoch)
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
