"""Minimum Bayes risk over ChrF: of several texts, the one that is most like all of them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

CHARACTER_ORDER, BETA = 6, 2
"""Longest n-gram, and the weight of recall: sacrebleu's defaults, chrF2."""
CHARACTER_BITS = 21
"""Enough for any code point and one more, so that three fit into a number."""
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
    characters, owners = _characters(texts)
    # Every step takes all the orders at once: for few candidates most of the time goes to calling numpy.
    sizes = np.maximum(np.bincount(owners, minlength=count) - np.arange(CHARACTER_ORDER)[:, None], 0)
    matches = _matches(_grams(characters, owners, count), sizes.sum(axis=1), count)
    of_text, of_reference = sizes[:, :, None], sizes[:, None, :]
    both = (of_text > 0) & (of_reference > 0)
    precision = np.divide(matches, of_text, out=np.zeros_like(matches), where=both).sum(axis=0)
    recall = np.divide(matches, of_reference, out=np.zeros_like(matches), where=both).sum(axis=0)
    return _f_score(precision, recall, both.sum(axis=0))


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


def _grams(characters: np.ndarray, owners: np.ndarray, count: int) -> np.ndarray:
    """Return a number for each n-gram of each text, sorted, int64: those of one character first, then of two, ...

    Divided by the count it is the n-gram's, and the remainder is the text's. An n-gram is its first three characters
    and those behind them, both by number: exact, and never a string.
    """
    one = np.concatenate([characters + 1, np.zeros(CHARACTER_ORDER - 1, dtype=np.int64)])
    two = (one[:-1] << CHARACTER_BITS) + one[1:]
    three = (two[:-1] << CHARACTER_BITS) + one[2:]
    starts = np.stack([one[:-2] << 2 * CHARACTER_BITS, two[:-1] << CHARACTER_BITS, three])
    numbers = np.unique(starts, return_inverse=True)[1].reshape(starts.shape)
    base, keys = starts.size + 1, list[np.ndarray]()
    for order in range(CHARACTER_ORDER):
        begins = np.flatnonzero(owners[order:] == owners[: max(len(owners) - order, 0)])
        rest = numbers[order - 3, begins + 3] + 1 if order > 2 else 0
        keys.append(((order * base + numbers[min(order, 2), begins]) * base + rest) * count + owners[begins])
    return np.sort(np.concatenate(keys))


def _matches(keys: np.ndarray, sizes: np.ndarray, count: int) -> np.ndarray:
    """Return how many n-grams each two texts share, each as often as the text that has it less often.

    The shape is (orders, texts, texts); `sizes` are the numbers of keys by order. The first occurrence of a gram in a
    text is one feature, the second another: then what two texts share is the number of features that both have.
    """
    matches = np.zeros((len(sizes), count, count))
    if not len(keys):
        return matches
    grams, owners = np.divmod(keys, count)
    begins, lengths = _runs(keys)
    occurrence = np.arange(len(keys)) - np.repeat(begins, lengths)
    begins, lengths = _runs(grams)
    most = np.maximum.reduceat(occurrence, begins) + 1
    features = np.repeat(np.cumsum(most) - most, lengths) + occurrence
    for order, (first, last) in enumerate(pairwise([0, *np.cumsum(sizes)])):
        if first < last:
            matches[order] = _shared(owners[first:last], features[first:last] - features[first], count)
    return matches


def _runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where equal neighbours begin, and how many there are."""
    begins = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return begins, np.diff(begins, append=len(values))


def _shared(owners: np.ndarray, features: np.ndarray, count: int) -> np.ndarray:
    """Return for each two texts the number of features that both have."""
    # Bits, not a product of matrices: BLAS may use threads, which for tables this small take longer than the work.
    has = np.zeros((count, WORD * (int(features.max()) // WORD + 1)), dtype=bool)
    has[owners, features] = True
    # Words first: numpy then adds table to table, where it would add short rows one by one.
    bits = np.ascontiguousarray(np.packbits(has, axis=1).view(np.uint64).T)
    rows = max(1, BLOCK // bits.size)
    parts = [
        np.bitwise_count(bits[:, first : first + rows, None] & bits[:, None]).sum(axis=0, dtype=np.int64)
        for first in range(0, count, rows)
    ]
    return np.concatenate(parts)
