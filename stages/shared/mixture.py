"""How much of each source goes into the training text: weights and a cap, decided document by document.

A document has a place for its weight and another for the cap: hashes of seed and id, numbers in [0, 1). What is kept
depends on these alone, so that the order of shards, their number and the number of workers change nothing. A larger cap
keeps all that a smaller one keeps, and so does a larger weight where no cap is reached.
"""

import hashlib
import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, PositiveInt

from pipeline.errors import UserError
from pipeline.registry import unknown
from pipeline.section import Section

Weight = Annotated[float, Field(ge=0)]
DIGEST_BYTES = 8
Decision = Literal["weight", "cap"]


class MixtureSettings(Section):
    """How sources are mixed: `corpus.mixture`."""

    seed: int
    weights: dict[str, Weight]
    """Factor of each source by card: 0.1 keeps a tenth of its documents, 2.5 has each read two or three times an epoch,
    0 leaves it out; what is not named counts once."""
    cap_bytes: PositiveInt | None
    """Most UTF-8 bytes of training text that an epoch reads, a document as often as its weight says; null for all. It
    takes the same share of each source. A cap in tokens is `tokens` times the bytes a token has."""


class Size(NamedTuple):
    """A document as far as the cap is concerned."""

    id: str
    bytes: int
    """UTF-8 bytes that an epoch reads of it: its own times its repeats."""


def place(document: str, seed: int, decision: Decision) -> float:
    """Return a document's place in [0, 1), uniform over ids.

    Each decision has places of its own: by a common one, a cap would take just those that a weight keeps, whatever the
    weight, and none of those that it drops.
    """
    digest = hashlib.sha256(f"{decision}/{seed}/{document}".encode()).digest()[:DIGEST_BYTES]
    return (int.from_bytes(digest, "big") >> 11) / 2**53  # 53 bits: exact as a float, and never rounded up to 1


def repeats(document: str, weight: float, seed: int) -> int:
    """Return how many times a document is read in an epoch; 0 drops it.

    The whole part of the weight for every document, and once more for those whose place is below the rest: a weight of
    2.5 has half the documents twice and half three times.
    """
    whole = math.floor(weight)
    return whole + (place(document, seed, "weight") < weight - whole)


def weight_of(card: str, weights: Mapping[str, float]) -> float:
    """Return a card's weight, 1 where none is named."""
    return weights.get(card, 1.0)


def check_weights(weights: Mapping[str, float], cards: Sequence[str]) -> None:
    """Raise UserError, all problems together, for a weight of a card that is not taken, or where nothing is left."""
    problems = [
        f"corpus.mixture.weights: {unknown('card of the corpus', name, cards)}" for name in weights if name not in cards
    ]
    if cards and all(weight_of(card, weights) == 0 for card in cards):
        problems.append(
            "corpus.mixture.weights leave nothing: every card has the weight 0; give one of them a larger one"
        )
    if problems:
        raise UserError("\n".join(problems))


def cap_limit(sizes: Iterable[Size], cap_bytes: int | None, seed: int) -> float:
    """Return the place below which documents fit under a cap together; 1 where all of them do.

    Documents are taken in the order of their places until the next one would go over the cap; nothing behind it is
    taken, however small, so that the choice does not prefer short documents. Equal places stay or go together. Memory
    grows with what is kept, not with what is read.
    """
    if cap_bytes is None:
        return 1.0
    kept: list[tuple[float, int]] = []  # a heap, the largest place first
    total, limit = 0, 1.0
    for size in sizes:
        where = place(size.id, seed, "cap")
        if where >= limit:
            continue
        heapq.heappush(kept, (-where, size.bytes))
        total += size.bytes
        while total > cap_bytes:
            farthest, count = heapq.heappop(kept)
            limit, total = -farthest, total - count
            while kept and -kept[0][0] >= limit:
                total -= heapq.heappop(kept)[1]
    return limit
