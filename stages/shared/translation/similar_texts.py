"""The text most similar to another, by edits of words, among many."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from scipy.sparse import csr_matrix

from stages.shared.duplicates.word_hashes import Hashes, Numbers, mix
from stages.shared.overlap import hash_texts

ROUNDING = 1e-9
FIRST = 64
"""Candidates whose edits are counted first; the best of them spares most of the others."""


class Similar(NamedTuple):
    """A text that was found."""

    number: int
    similarity: float


class SimilarTexts:
    """Texts by their words, among which the one most similar to another is found, exactly and without trying all.

    The similarity of two texts is 1 - d / n, with d the insertions, deletions and substitutions of words from one to
    the other and n the words of the longer one (the fuzzy match score of Bulté and Tezcan 2019). Each of the d edits
    costs one common word at most, so two texts of similarity s have s * n words in common, repeated ones counted. So a
    text is looked for under the other's rarest words alone (the prefix filter of Chaudhuri et al. 2006), and where too
    few words are common, no edit is counted.
    """

    def __init__(self, texts: Sequence[str], least: float) -> None:
        """Read the texts; none less similar than `least` (above 0) will be found."""
        self.least = least
        self.words, self.starts = hash_texts(texts)
        features = occurrences(self.words, self.starts)
        self.features, columns = np.unique(features, return_inverse=True)
        shape = (len(texts), len(self.features))
        self.table = csr_matrix((np.ones(len(columns), np.int32), columns, self.starts), shape=shape)
        self.postings = self.table.tocsc()
        self.asked = np.zeros(len(self.features), np.int32)

    def best(self, text: str, allowed: np.ndarray) -> Similar | None:
        """Return the most similar of the allowed texts, the first of equals; None where none is similar enough.

        `allowed` tells of each text whether it may be taken: a bool array of shape (texts,).
        """
        words, starts = hash_texts([text])
        if not len(words):
            return None
        places = self._places(occurrences(words, starts))
        candidates = self._candidates(places, len(words))
        candidates = candidates[allowed[candidates]]
        longest = np.maximum(self.starts[candidates + 1] - self.starts[candidates], len(words))
        self.asked[places] = 1
        bounds = (self.table[candidates] @ self.asked) / longest
        self.asked[places] = 0
        enough = bounds >= self.least - ROUNDING
        return self._most_similar(words, candidates[enough], bounds[enough])

    def _places(self, features: Hashes) -> Numbers:
        """Return the columns of those features that some text has."""
        places = np.searchsorted(self.features, features)
        there = places < len(self.features)
        there[there] = self.features[places[there]] == features[there]
        return places[there]

    def _candidates(self, places: Numbers, words: int) -> Numbers:
        """Return the texts of fitting length that have one of the rarest words, ascending.

        Of `words` words a similar text has `common` at least, so that it cannot be without all but common - 1 of them.
        """
        common = math.ceil(self.least * words - ROUNDING)
        unknown = words - len(places)
        first = self.postings.indptr[places]
        counts = self.postings.indptr[places + 1] - first
        rarest = np.argsort(counts, kind="stable")[: max(0, words - common + 1 - unknown)]
        there = np.zeros(len(self.starts) - 1, bool)
        for place in rarest:
            there[self.postings.indices[first[place] : first[place] + counts[place]]] = True
        found = np.flatnonzero(there)
        lengths = self.starts[found + 1] - self.starts[found]
        fits = (lengths >= self.least * words - ROUNDING) & (lengths * self.least <= words + ROUNDING)
        return found[fits]

    def _most_similar(self, words: Hashes, candidates: Numbers, bounds: np.ndarray) -> Similar | None:
        """Return the best of the candidates, none of which is more similar than its bound."""
        best = Similar(-1, self.least - ROUNDING)
        order = np.argsort(-bounds, kind="stable")
        for chosen in (order[:FIRST], order[FIRST:]):
            chosen = np.sort(chosen[bounds[chosen] >= best.similarity])
            if not len(chosen):
                continue
            similarities = self._similarities(words, candidates[chosen])
            place = int(similarities.argmax())
            found = Similar(int(candidates[chosen[place]]), float(similarities[place]))
            best = min(best, found, key=lambda one: (-one.similarity, one.number))
        return best if best.number >= 0 else None

    def _similarities(self, words: Hashes, numbers: Numbers) -> np.ndarray:
        texts = [self.words[self.starts[number] : self.starts[number + 1]].tolist() for number in numbers]
        edits = cdist([words.tolist()], texts, scorer=Levenshtein.distance, dtype=np.int32)[0]
        longest = np.maximum(self.starts[numbers + 1] - self.starts[numbers], len(words))
        similarities: np.ndarray = (longest - edits) / longest
        return similarities


def occurrences(words: Hashes, starts: Numbers) -> Hashes:
    """Return a key of each word and its number among its text's equal ones: sets of keys intersect as multisets do."""
    texts = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((words, texts))
    same = np.zeros(len(words), bool)
    same[1:] = (words[order][1:] == words[order][:-1]) & (texts[order][1:] == texts[order][:-1])
    places = np.arange(len(words))
    numbers = np.empty(len(words), np.uint64)
    numbers[order] = places - np.maximum.accumulate(np.where(same, 0, places))
    return mix(words + numbers)
