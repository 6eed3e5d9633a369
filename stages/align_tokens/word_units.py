"""Cuts tokenized sentences into words, the units that are aligned."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from stages.shared.alignment_table import join_tokens
from stages.shared.token_text import Vocabulary

NEVER, WITH_LETTER, ALWAYS = range(3)
"""Whether a token joins the one before it: never, where that one ends in a letter, always."""


@dataclass(frozen=True)
class Sentences:
    """Unit ids of many sentences, one after the other; sentence i is units[starts[i]:starts[i + 1]]."""

    units: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1


class SentencePairs(NamedTuple):
    """Sentences and their translations, as aligners are trained on."""

    source: Sentences
    target: Sentences
    sizes: tuple[int, int]
    """How many words either side has; their numbers are below."""


class WordUnits:
    """Numbers the words of one language as they come; a word is the ids of its tokens.

    Two neighbouring tokens belong to one word where the second does not start a word and a letter (or a mark on it)
    meets a letter, or where the second goes on inside a character. So punctuation and digits stand alone, as in the
    original.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._left = np.array([_left(text) for text in vocabulary.text], dtype=np.int8)
        self._left[vocabulary.starts_word] = NEVER
        self._right = np.array([_ends_in_letter(text) for text in vocabulary.text], dtype=bool)
        self._numbers: dict[bytes, int] = {}
        self._words: list[tuple[int, ...]] = []

    def __len__(self) -> int:
        return len(self._words)

    def cut(self, sentences: Sequence[str]) -> Sentences:
        """Tokenize sentences and return the numbers of their words."""
        tokens = list(self.vocabulary.encode([sentence.strip() for sentence in sentences]))
        lengths = np.array([len(ids) for ids in tokens], dtype=np.int64)
        ids = np.fromiter(chain.from_iterable(tokens), dtype=np.int32, count=int(lengths.sum()))
        ends = np.cumsum(lengths)
        begins = np.ones(len(ids), dtype=bool)
        left, right = self._left[ids[1:]], self._right[ids[:-1]]
        begins[1:] = ~((left == ALWAYS) | ((left == WITH_LETTER) & right))
        begins[(ends - lengths)[lengths > 0]] = True
        words = np.concatenate([[0], np.cumsum(begins)])
        return Sentences(self._number(ids, np.flatnonzero(begins)), words[np.concatenate([[0], ends])])

    def _number(self, ids: np.ndarray, begins: np.ndarray) -> np.ndarray:
        """Return the number of each word, the tokens from one begin to the next, int32; new words get new numbers."""
        ends = np.append(begins[1:], len(ids))[: len(begins)]
        data, size = ids.tobytes(), ids.itemsize
        units = np.empty(len(begins), dtype=np.int32)
        for place, (start, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
            key = data[start * size : end * size]
            number = self._numbers.get(key)
            if number is None:
                number = self._numbers[key] = len(self._words)
                self._words.append(tuple(ids[start:end].tolist()))
            units[place] = number
        return units

    def token_numbers(self, sentences: Sentences) -> np.ndarray:
        """Return how often each token of the vocabulary occurs in the sentences, shape (tokens,)."""
        words = np.bincount(sentences.units, minlength=len(self)).tolist()
        numbers = np.zeros(len(self.vocabulary), dtype=np.int64)
        for word, number in zip(self._words, words, strict=True):
            for row in word:
                numbers[row] += number
        return numbers

    def names(self) -> list[str]:
        """Return every word as it is written in a table, in the order of their numbers."""
        tokens = self.vocabulary.tokens
        return [join_tokens([tokens[row] for row in word]) for word in self._words]


def _is_letter(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LM"


def _left(text: bytes) -> int:
    if not text:
        return NEVER
    if text[0] & 0xC0 == 0x80:
        return ALWAYS
    letters = text.decode(errors="ignore")
    if letters and text.startswith(letters[0].encode()):
        return WITH_LETTER if _is_letter(letters[0]) else NEVER
    return WITH_LETTER if _letter_lead(text[0]) else NEVER


def _letter_lead(lead: int) -> bool:
    """Tell whether characters that begin with this byte are mostly letters: not U+0080-00BF, U+2000-2FFF, emoji."""
    return 0xC3 <= lead < 0xF0 and lead not in (0xE2, 0xEF)


def _ends_in_letter(text: bytes) -> bool:
    letters = text.decode(errors="replace")
    # The end of a character that began in an earlier token counts as a letter's.
    return bool(letters) and (letters[-1] == "\ufffd" or _is_letter(letters[-1]))
