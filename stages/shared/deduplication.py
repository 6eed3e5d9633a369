"""Exact duplicates, remembered by a hash of 8 bytes."""

import hashlib
from collections import Counter


def fingerprint(*texts: str) -> bytes:
    """Return 8 bytes for one or several texts; the border between them counts."""
    digest = hashlib.blake2b(digest_size=8)
    for text in texts:
        data = text.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


class Seen:
    """What was there before."""

    def __init__(self) -> None:
        self.counts: Counter[bytes] = Counter()

    def times(self, *texts: str) -> int:
        """Return how often the texts were given before, and remember them."""
        key = fingerprint(*texts)
        self.counts[key] += 1
        return self.counts[key] - 1
