"""Rows for tokens that got no count, from mapped tokens that begin with them or that they contain."""

from bisect import bisect_left

import numpy as np
from scipy.sparse import csr_matrix

from stages.map_embeddings.initialization import normalize_rows
from stages.shared.token_text import Vocabulary

WORD_START_WEIGHT = 2.0
"""Weight of a source token that starts a word; others weigh 1 (the paper's 2000 and 1000)."""


def smooth(counts: csr_matrix, source: Vocabulary, target: Vocabulary) -> tuple[csr_matrix, np.ndarray]:
    """Return weights whose rows sum to one or are empty, and which rows were smoothed.

    Rows with counts are the counts over their total. A row without gets the sum of the distributions of (a) the mapped
    tokens that start with this token's text and (b) the maximal mapped substrings of it. Special tokens and
    SentencePiece's bytes neither give nor take: their names are not text. Only rows with counts give, so nothing
    depends on the order of the vocabularies; sums run in the order of the token strings, so not even rounding does.
    """
    by_string = [np.array(sorted(range(len(vocab)), key=vocab.tokens.__getitem__)) for vocab in (target, source)]
    ordered = permuted(counts, *by_string)
    own = normalize_rows(ordered)
    textual = ~(target.special | target.byte_fallback) & np.array([bool(text) for text in target.text])
    mapped = np.diff(ordered.indptr) > 0
    gives, takes = mapped & textual[by_string[0]], ~mapped & textual[by_string[0]]
    texts = [target.text[row] for row in by_string[0]]
    factors = np.where(source.starts_word[by_string[1]], WORD_START_WEIGHT, 1.0)
    evidence = related(texts, gives, takes)
    weighted = csr_matrix((own.data * factors[own.indices], own.indices, own.indptr), shape=own.shape)
    borrowed = csr_matrix(evidence @ weighted)
    borrowed.sort_indices()
    total = csr_matrix(own + normalize_rows(borrowed))
    back = [np.argsort(order) for order in by_string]
    smoothed = np.diff(borrowed.indptr) > 0
    return permuted(total, *back), smoothed[back[0]]


def permuted(matrix: csr_matrix, rows: np.ndarray, columns: np.ndarray) -> csr_matrix:
    """Return the matrix with row and column i taken from rows[i] and columns[i], indices sorted."""
    taken = csr_matrix(matrix[rows])
    place = np.argsort(columns)
    moved = csr_matrix((taken.data, place[taken.indices], taken.indptr), shape=taken.shape)
    moved.sort_indices()
    return moved


def related(texts: list[bytes], gives: np.ndarray, takes: np.ndarray) -> csr_matrix:
    """Return which tokens (columns, of `gives`) lend to which (rows, of `takes`), entries 1.0.

    The time is that of the matches: sorted texts answer (a) by two binary searches, the set of all prefixes stops the
    search for (b) at the first letter that no giver goes on with.
    """
    givers = sorted((texts[row], int(row)) for row in np.flatnonzero(gives))
    giver_texts = [text for text, _ in givers]
    giver_rows = [row for _, row in givers]
    first_place = {text: place for place, text in reversed(list(enumerate(giver_texts)))}
    prefixes = {text[:end] for text in first_place for end in range(1, len(text) + 1)}
    columns: list[int] = []
    starts = [0]
    for row, text in enumerate(texts):
        if takes[row]:
            found = set(giver_rows[bisect_left(giver_texts, text) : _end_of_prefix(giver_texts, text)])
            for part in maximal_substrings(text, first_place, prefixes):
                low = first_place[part]
                found.update(giver_rows[low : _end_of_equal(giver_texts, low)])
            columns.extend(sorted(found))
        starts.append(len(columns))
    return csr_matrix(
        (np.ones(len(columns)), np.array(columns, dtype=np.int64), np.array(starts)), shape=[len(texts)] * 2
    )


def _end_of_prefix(ordered: list[bytes], prefix: bytes) -> int:
    """Return the place after the last of the sorted texts that start with `prefix`."""
    stem = prefix.rstrip(b"\xff")
    return bisect_left(ordered, stem[:-1] + bytes([stem[-1] + 1])) if stem else len(ordered)


def _end_of_equal(ordered: list[bytes], low: int) -> int:
    high = low + 1
    while high < len(ordered) and ordered[high] == ordered[low]:
        high += 1
    return high


def maximal_substrings(text: bytes, known: dict[bytes, int], prefixes: set[bytes]) -> list[bytes]:
    """Return the known substrings of `text` that lie within no other known substring of it.

    >>> known = {b"hu": 0, b"huis": 1, b"boot": 2, b"s": 3}
    >>> prefixes = {text[:end] for text in known for end in range(1, len(text) + 1)}
    >>> maximal_substrings(b" huisboot", known, prefixes)
    [b'huis', b'boot']
    """
    longest: list[bytes] = []
    reached = 0
    for start in range(len(text)):
        best = 0
        for end in range(start + 1, len(text) + 1):
            part = text[start:end]
            if part not in prefixes:
                break
            if part in known:
                best = end
        if best > reached:
            reached = best
            longest.append(text[start:best])
    kept: list[bytes] = []
    for part in sorted(dict.fromkeys(longest), key=len, reverse=True):
        if not any(part in other for other in kept):
            kept.append(part)
    return [part for part in dict.fromkeys(longest) if part in kept]
