"""Every id that came in is kept or dropped, by number and by the sum of their hashes.

The sum also tells where one id was lost and another doubled; it needs no memory, and parts of it add up to the whole.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stages.shared.readers.broken import BrokenInput, Skipped

HASH_BYTES = 8
MODULUS = 1 << 8 * HASH_BYTES


def id_sum(names: Iterable[str]) -> int:
    """Return a hash of 64 bits of a multiset of ids: the sums of its parts add up to that of the whole."""
    digests = (hashlib.blake2b(name.encode(), digest_size=HASH_BYTES).digest() for name in names)
    return sum(int.from_bytes(digest, "big") for digest in digests) % MODULUS


def checked_identity(what: str, counts: Mapping[str, int], sums: Mapping[str, int]) -> dict[str, Any]:
    """Return the counts with the sum of the ids that came in, as 16 hexadecimal digits.

    Both mappings are of `input`, `kept` and `dropped`; the sums may be those of parts, added up. Raises RuntimeError
    where input is not kept + dropped in either.
    """
    hashes = {name: number % MODULUS for name, number in sums.items()}
    lost = counts["input"] - counts["kept"] - counts["dropped"]
    if lost or (hashes["input"] - hashes["kept"] - hashes["dropped"]) % MODULUS:
        raise RuntimeError(f"{what} were lost or doubled: {dict(counts)}, sums of their hashes {hashes}")
    return {**counts, "hash_sum": f"{hashes['input']:016x}"}


class BrokenIds(Skipped):
    """Counts what is skipped, and adds up the ids of documents: a broken one's is its file and place."""

    def __init__(self, card: str, folder: Path) -> None:
        super().__init__()
        self.card, self.folder, self.ids = card, folder, 0

    def __call__(self, fault: BrokenInput) -> None:
        """Count a document or a file."""
        super().__call__(fault)
        if fault.lost == "document":
            self.ids = (self.ids + id_sum([self.id(fault)])) % MODULUS

    def id(self, fault: BrokenInput) -> str:
        """Return a broken document's id."""
        return f"{self.card}:{self.told(fault).partition('. Fetch')[0]}"

    def told(self, fault: BrokenInput) -> str:
        """Return what is wrong, the file named as the source has it: the same wherever that is kept."""
        return str(fault).removeprefix(f"{self.folder}/")

    def figures(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {name: getattr(self, name) for name in ("documents", "files", "examples")}
