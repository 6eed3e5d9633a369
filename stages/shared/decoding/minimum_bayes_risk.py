"""Minimum Bayes risk over ChrF: of several texts, the one that is most like all of them."""

from collections.abc import Sequence

import numpy as np

CHARACTER_ORDER, BETA = 6, 2
"""Longest n-gram, and the weight of recall: sacrebleu's defaults, chrF2."""
WORD = 64
"""Bits of one number."""
BLOCK = 4_000_000
"""Such numbers held at a time; bounds the memory."""


def most_alike(texts: Sequence[str]) -> int:
    """Return the number of the text whose mean ChrF, with each text for a reference (itself too), is the highest.

    The first of several equals wins; a text that was drawn twice counts twice (Eikema and Aziz 2020). Raises ValueError
    without texts.

    >>> most_alike(["een huis", "het huis", "een boom"])
    0
    """
    if not texts:
        raise ValueError("no texts to choose from")
    return int(np.argmax(pairwise_chrf(texts).mean(axis=1)))


def pairwise_chrf(texts: Sequence[str]) -> np.ndarray:
    """Return the sentence ChrF of each text (row) with each as its reference (column), from 0 to 100, float64.

    The same figures as sacrebleu's `CHRF().sentence_score`: n-grams of one to six characters without whitespace,
    precision and recall averaged over the orders that both texts have (Popović 2015).
    """
    count = len(texts)
    precision, recall, orders = np.zeros((count, count)), np.zeros((count, count)), np.zeros((count, count))
    characters, owners = _characters(texts)
    singles = _numbered(characters)
    grams = np.zeros(len(singles), dtype=np.int64)
    lengths = np.bincount(owners, minlength=count)
    for order in range(1, CHARACTER_ORDER + 1):
        kept = len(singles) - order + 1
        if kept <= 0:
            break
        # A gram is its beginning and its last character, both by number: exact, and never a string.
        grams = _numbered(grams[:kept] * (len(singles) + 1) + singles[order - 1 :])
        inside = owners[:kept] == owners[order - 1 :]
        matches = _matches(grams[inside], owners[:kept][inside], count)
        sizes = np.maximum(lengths - order + 1, 0).astype(np.float64)
        both = (sizes[:, None] > 0) & (sizes[None, :] > 0)
        precision += np.divide(matches, sizes[:, None], out=np.zeros_like(matches), where=both)
        recall += np.divide(matches, sizes[None, :], out=np.zeros_like(matches), where=both)
        orders += both
    return _f_score(precision, recall, orders)


def _f_score(precision: np.ndarray, recall: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return F-beta of mean precision and recall, given their sums over the orders that both texts have."""
    precision, recall = precision / np.maximum(orders, 1), recall / np.maximum(orders, 1)
    below = BETA**2 * precision + recall
    above = (1 + BETA**2) * precision * recall
    scores: np.ndarray = 100 * np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return scores


def _characters(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the code points of all texts without whitespace, one after the other, and the text of each, int64."""
    joined = ["".join(text.split()) for text in texts]
    points = np.frombuffer("".join(joined).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)
    return points, np.repeat(np.arange(len(joined)), [len(text) for text in joined])


def _numbered(values: np.ndarray) -> np.ndarray:
    """Return equal numbers for equal values, from 0 without gaps, int64."""
    numbers: np.ndarray = np.unique(values, return_inverse=True)[1]
    return numbers.reshape(-1).astype(np.int64)


def _matches(grams: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    """Return for each two texts how many n-grams they share, each as often as the text that has it less often.

    The first occurrence of a gram in a text is one feature, the second another: then what two texts share is the
    number of bits that both have.
    """
    if not len(grams):
        return np.zeros((count, count))
    keys = np.sort(grams * count + owners)
    begins = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    runs = np.diff(np.r_[begins, len(keys)])
    occurrence = np.arange(len(keys)) - np.repeat(begins, runs)
    features = _numbered(keys // count * int(runs.max()) + occurrence)
    # Bits, not a product of matrices: BLAS may use threads, which for tables this small take longer than the work.
    has = np.zeros((count, WORD * (int(features.max()) // WORD + 1)), dtype=bool)
    has[keys % count, features] = True
    bits = np.packbits(has, axis=1).view(np.uint64)
    rows = max(1, BLOCK // bits.size)
    parts = [
        np.bitwise_count(bits[first : first + rows, None] & bits).sum(axis=2, dtype=np.int64)
        for first in range(0, count, rows)
    ]
    return np.concatenate(parts).astype(np.float64)
