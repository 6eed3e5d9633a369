"""64-bit hashes of many stretches of one text at once, by sums over prefixes."""

import functools

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
BASE = np.uint64(0x9E3779B97F4A7C15)
INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
FIRST, SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
HALF = np.uint64(32)
KEPT_POWERS = 1 << 18


def mix(values: Hashes) -> Hashes:
    """Return values whose every bit depends on every bit of the given ones (MurmurHash3's finaliser, shifts of 32)."""
    values = (values ^ (values >> HALF)) * FIRST
    values = (values ^ (values >> HALF)) * SECOND
    return values ^ (values >> HALF)


def combine(left: Hashes, right: Hashes) -> Hashes:
    """Return a hash of two hashes in this order."""
    return mix(left * BASE + right)


class Hasher:
    """Hashes stretches of a text in constant time each.

    With `p` odd, the sum of `c * p ** i` over a stretch's code points, times `p ** -start` modulo 2 ** 64, depends on
    its characters alone, not on where it stands.
    """

    def __init__(self, points: NDArray[np.uint32]) -> None:
        self.inverses = _powers(INVERSE, len(points))
        self.sums = np.zeros(len(points) + 1, np.uint64)
        np.cumsum((points + np.uint64(1)) * _powers(BASE, len(points)), out=self.sums[1:])

    def spans(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Hashes:
        """Return the hash of each stretch `[start, end)`, in characters."""
        sums = (self.sums[ends] - self.sums[starts]) * self.inverses[starts]
        return mix(sums + (ends - starts).astype(np.uint64))


def _powers(base: np.uint64, count: int) -> Hashes:
    return _kept_powers(base)[:count] if count <= KEPT_POWERS else _new_powers(base, count)


@functools.cache
def _kept_powers(base: np.uint64) -> Hashes:
    return _new_powers(base, KEPT_POWERS)


def _new_powers(base: np.uint64, count: int) -> Hashes:
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.cumprod(factors)
