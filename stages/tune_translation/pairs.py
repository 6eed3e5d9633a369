"""Which pairs are trained on, in which order: the same for every system."""

import hashlib
from bisect import bisect
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from pipeline.errors import UserError
from stages.shared.translation.pairs import Pair


def draw_pairs(
    pairs: Sequence[Pair], length: Callable[[Pair], int], tokens: int, longest: int, seed: int
) -> list[Pair]:
    """Return pairs in a seeded order until they have so many tokens; the last one fits into the budget too.

    All pairs come once before any comes again. `length` gives a pair's tokens; pairs of more than `longest` or than the
    budget are passed over. Raises UserError where none is left.
    """
    generator, longest = np.random.default_rng(seed), min(longest, tokens)
    # Measured as they are drawn: of millions of pairs a small budget takes few.
    measured = cache(lambda number: length(pairs[number]))
    drawn: list[Pair] = []
    left = tokens
    while True:
        before = len(drawn)
        for number in map(int, generator.permutation(len(pairs))):
            if measured(number) > longest:
                continue
            left -= measured(number)
            if left < 0:
                return drawn
            drawn.append(pairs[number])
        if len(drawn) == before:
            raise _none(pairs, longest)


def match_pairs(
    pairs: Sequence[Pair], like: Sequence[Pair], length: Callable[[Pair], int], longest: int, seed: int
) -> list[Pair]:
    """Return as many pairs as there are `like` them, each with about as many bytes of translation as its model.

    What one is too short or too long is asked of the next ones, so that the sums come as near as the pairs allow. All
    pairs come once before any comes again; of equally long ones the seed says which. `length`, `longest` and what is
    raised are as for `draw_pairs`.
    """
    fitting = [pair for pair in pairs if length(pair) <= longest]
    if not fitting:
        raise _none(pairs, longest)
    generator = np.random.default_rng(seed)
    drawn, left = list[Pair](), list[tuple[int, int, Pair]]()
    owed = 0
    for model in like:
        if not left:
            order = generator.permutation(len(fitting)).tolist()
            left = sorted((target_bytes(pair), place, pair) for place, pair in zip(order, fitting, strict=True))
        owed += target_bytes(model)
        after = bisect(left, (owed,))
        near = range(max(after - 1, 0), min(after + 1, len(left)))
        size, _, pair = left.pop(min(near, key=lambda number: abs(left[number][0] - owed)))
        owed -= size
        drawn.append(pair)
    return drawn


def target_bytes(pair: Pair) -> int:
    """Return the UTF-8 bytes of a pair's translation."""
    return len(pair[1].encode())


def _none(pairs: Sequence[Pair], longest: int) -> UserError:
    return UserError(
        f"none of {len(pairs)} training pairs has at most {longest} tokens and enough words: name more bitext, "
        "lower parallel_tuning.least_words, or raise parallel_tuning.longest"
    )


def pairs_digest(pairs: Sequence[Pair]) -> str:
    """Return a hash by which two trainings are known to be on the same pairs in the same order."""
    digest = hashlib.sha256()
    for pair in pairs:
        for text in pair:
            digest.update(len(text.encode()).to_bytes(8, "big") + text.encode())
    return digest.hexdigest()
