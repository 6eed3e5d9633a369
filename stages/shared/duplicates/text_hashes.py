"""64-bit hashes of lines and documents by which exact duplicates are found, and their files."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from xxhash import xxh3_64_intdigest

from stages.shared.duplicates.word_hashes import Hashes


def text_hashes(texts: Iterable[str]) -> Hashes:
    """Return a hash of each text, a line or a document, as it stands: XXH3, the same on each machine and in each run.

    Two different ones among n have the same hash with a probability of about n**2 / 2**65: 3e-6 for ten million, so
    that one false duplicate is to be expected from some six thousand million lines on.
    """
    return np.fromiter((xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for text in texts), np.uint64)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an .npy file, which is there whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        np.save(file, array)
    unfinished.replace(path)
