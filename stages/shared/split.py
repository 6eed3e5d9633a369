"""The one split into train, validation and test."""

import hashlib

from stages.shared.text_settings import SplitSettings

SPLITS = ("train", "validation", "test")


def split_of(group: str, split: SplitSettings) -> str:
    """Return the split of a group: it depends on seed and name only, so that corpus and bitext agree."""
    digest = hashlib.sha256(f"{split.seed}/{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < split.test_share:
        return "test"
    return "validation" if place < split.test_share + split.validation_share else "train"
