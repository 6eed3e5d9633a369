"""From aligned words to integer counts of token pairs (Trans-Tokenization, Remy et al. 2024, and its code)."""

from collections.abc import Iterable
from itertools import compress, repeat
from math import gcd
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from pipeline.errors import UserError
from stages.map_embeddings.same_text import same_text_partners, special_partners
from stages.shared.alignment_table import JOINER, NULL, TableColumns, split_units
from stages.shared.token_text import Vocabulary

TIE = 1_000_000_000
"""Count that ties special tokens outright."""
LARGEST_NUMBER = 9_998
LARGEST_PADDED = 98

PairCounts = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Target ids, source ids, counts; pairs may repeat."""


class UnitTokens(NamedTuple):
    """The tokens of many units."""

    ids: np.ndarray
    """Those of one unit after those of the other, shape (tokens,)."""
    lengths: np.ndarray
    """How many are of each unit, shape (units,)."""

    def of(self, units: np.ndarray) -> np.ndarray:
        """Return the tokens of units that have the same number of them, shape (units, number)."""
        starts = np.cumsum(self.lengths) - self.lengths
        found: np.ndarray = self.ids[starts[units, None] + np.arange(self.lengths[units[0]])]
        return found


def aligned_counts(table: Iterable[TableColumns], source: Vocabulary, target: Vocabulary, min_count: int) -> csr_matrix:
    """Spread the counts of word pairs over their tokens; int64, shape (target tokens, source tokens).

    A word pair with integer count c, both of them one token, gives c to that token pair. Otherwise all pairs of
    their tokens share h = max(1, c // 2), and so do the pairs of tokens in order. Pairs below `min_count` are left
    out, and so are tokens that the vocabularies do not have. Raises UserError where that leaves nothing of a table.
    """
    found: list[PairCounts] = []
    largest = -1
    for columns in table:
        counts = columns.expected_counts.astype(np.int64)
        largest = max(largest, int(counts.max(initial=-1)))
        units = zip(columns.sources, columns.targets, (counts >= min_count).tolist(), strict=True)
        taken = [enough and one != NULL and other != NULL for one, other, enough in units]
        sources = unit_tokens(list(compress(columns.sources, taken)), source.ids)
        targets = unit_tokens(list(compress(columns.targets, taken)), target.ids)
        found += spread_units(sources, targets, counts[taken])
    summed = sum_pairs(found, source, target)
    if largest < 0:
        raise UserError("the alignment table has no pairs: align more text, or give another table")
    if not found:
        raise UserError(
            f"no pair of words in the alignment table has a count of at least min_count={min_count} (the largest of "
            f"any line is {largest}): align more text, or lower mapping.options.min_count"
        )
    if not summed.nnz:
        raise UserError(
            f"none of the alignment table's tokens are in the vocabularies of {source.folder} and {target.folder}. "
            "Give the tokenizers that the table was made with, the source first."
        )
    return summed


def unit_tokens(units: list[str], vocabulary: dict[str, int]) -> UnitTokens:
    """Look up the tokens of each unit, -1 for a token that is not in the vocabulary.

    >>> unit_tokens(["a", "a—c—b"], {"a": 0, "b": 1})
    UnitTokens(ids=array([ 0,  0, -1,  1]), lengths=array([1, 3]))
    """
    whole = np.fromiter(map(vocabulary.get, units, repeat(-1)), np.int64, len(units))
    several = whole < 0
    rest = list(compress(units, several.tolist()))
    tokens = split_units(rest)
    lengths = np.ones(len(units), dtype=np.int64)
    lengths[several] = [unit.count(JOINER) + 1 for unit in rest]
    ids = np.repeat(whole, lengths)
    ids[np.repeat(several, lengths)] = np.fromiter(map(vocabulary.get, tokens, repeat(-1)), np.int64, len(tokens))
    return UnitTokens(ids, lengths)


def spread_units(sources: UnitTokens, targets: UnitTokens, counts: np.ndarray) -> list[PairCounts]:
    """Spread the counts of word pairs, shape (pairs,), those of the same two lengths together."""
    if not len(counts):
        return []
    shapes = sources.lengths * (targets.lengths.max() + 1) + targets.lengths
    order = np.argsort(shapes, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(shapes[order])) + 1)
    return [spread(sources.of(rows), targets.of(rows), counts[rows]) for rows in groups]


def spread(sources: np.ndarray, targets: np.ndarray, counts: np.ndarray) -> PairCounts:
    """Spread counts over the tokens of word pairs that all have the same two lengths.

    Shapes (pairs, m), (pairs, n), (pairs,). Each all-to-all pair gets max(1, h // m), each of the lcm(m, n) pairs in
    order max(1, h // (m / gcd(m, n))).

    >>> spread(np.array([[1, 2]]), np.array([[5, 6]]), np.array([101]))[2].tolist()
    [25, 25, 25, 25, 50, 50]
    """
    m, n = sources.shape[1], targets.shape[1]
    if m == n == 1:
        known = (sources[:, 0] >= 0) & (targets[:, 0] >= 0)
        # One token that the vocabulary lacks would be halved twice, and dropped in any case.
        return targets[known, 0], sources[known, 0], counts[known]
    common = gcd(m, n)
    half = np.maximum(1, counts // 2)
    all_source, all_target = np.tile(np.arange(m), n), np.repeat(np.arange(n), m)
    order_source, order_target = np.repeat(np.arange(m), n // common), np.repeat(np.arange(n), m // common)
    share = [np.maximum(1, half // m)] * (m * n) + [np.maximum(1, half // (m // common))] * len(order_source)
    pair_sources = sources[:, np.concatenate([all_source, order_source])].ravel()
    pair_targets = targets[:, np.concatenate([all_target, order_target])].ravel()
    pair_counts = np.stack(share, axis=1).ravel()
    known = (pair_sources >= 0) & (pair_targets >= 0)
    return pair_targets[known], pair_sources[known], pair_counts[known]


def added_counts(source: Vocabulary, target: Vocabulary) -> csr_matrix:
    """Return what does not come from text: +1 for numbers and for equal strings, and the ties of special tokens."""
    targets, sources = same_text_partners(source, target)
    tied_targets, tied_sources = special_partners(source, target)
    ties = (tied_targets, tied_sources, np.full(len(tied_targets), TIE, dtype=np.int64))
    equal = (targets, sources, np.ones(len(targets), dtype=np.int64))
    return sum_pairs([*number_pairs(source, target), equal, ties], source, target)


def number_pairs(source: Vocabulary, target: Vocabulary) -> list[PairCounts]:
    """Return +1 for each number 0-9998 and each of 00-098 that is one token of the target.

    Three times where it holds: the digits are a target token; the target tokenizer makes one token of them; it makes
    one token of a space and them. The partner is the same string where that is a source token (first case), else the
    first source token of the same text, a bare word start passed over.
    """
    numbers = [str(number) for number in range(LARGEST_NUMBER + 1)]
    numbers += [f"0{number}" for number in range(LARGEST_PADDED + 1)]
    spaced = [f" {number}" for number in numbers]
    first = _first_tokens(source, numbers)
    pairs: list[tuple[int, int]] = []
    for place, number in enumerate(numbers):
        if number in target.ids:
            pairs.append((target.ids[number], source.ids.get(number, first[place])))
    for texts, partners in ((numbers, first), (spaced, _first_tokens(source, spaced))):
        for ids, partner in zip(target.encode(texts), partners, strict=True):
            if len(ids) == 1 and not target.special[ids[0]]:
                pairs.append((ids[0], partner))
    found = np.array([pair for pair in pairs if pair[1] >= 0], dtype=np.int64).reshape(-1, 2)
    return [(found[:, 0], found[:, 1], np.ones(len(found), dtype=np.int64))]


def _first_tokens(vocabulary: Vocabulary, texts: list[str]) -> list[int]:
    """Return the first token of each text that is not blank, -1 where there is none."""
    blank = np.array([not text.strip() for text in vocabulary.text]) | vocabulary.special
    return [next((row for row in ids if not blank[row]), -1) for ids in vocabulary.encode(texts)]


def sum_pairs(found: list[PairCounts], source: Vocabulary, target: Vocabulary) -> csr_matrix:
    """Add up counts of pairs that may repeat; int64, shape (target tokens, source tokens), indices sorted."""
    shape = (len(target), len(source))
    rows = np.concatenate([part[0] for part in found] or [np.zeros(0, dtype=np.int64)])
    columns = np.concatenate([part[1] for part in found] or [np.zeros(0, dtype=np.int64)])
    data = np.concatenate([part[2] for part in found] or [np.zeros(0, dtype=np.int64)]).astype(np.int64)
    counts = csr_matrix(coo_matrix((data, (rows, columns)), shape=shape))
    counts.sort_indices()
    return counts
