"""Cuts tokenized sentences into words, the units that are aligned."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.shared.alignment_table import join_tokens
from stages.shared.token_text import Vocabulary


@dataclass(frozen=True)
class Sentences:
    """Unit ids of many sentences, one after the other; sentence i is units[starts[i]:starts[i + 1]]."""

    units: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1


class WordUnits:
    """Numbers the words of one language as they come; a word is the ids of its tokens.

    Two neighbouring tokens belong to one word where the second does not start a word and a letter (or a mark on it)
    meets a letter, or where the second goes on inside a character. So punctuation and digits stand alone, as in the
    original.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        # int codes: 0 never, 1 where the other side is a letter too, 2 always
        self._left = np.array([_left(text) for text in vocabulary.text], dtype=np.int8)
        self._left[vocabulary.starts_word] = 0
        self._right = np.array([_ends_in_letter(text) for text in vocabulary.text], dtype=bool)
        self._numbers: dict[bytes, int] = {}
        self._words: list[tuple[int, ...]] = []

    def __len__(self) -> int:
        return len(self._words)

    def cut(self, sentences: Sequence[str]) -> Sentences:
        """Tokenize sentences and return the numbers of their words."""
        units: list[int] = []
        starts = [0]
        for tokens in self.vocabulary.encode([sentence.strip() for sentence in sentences]):
            ids = np.array(tokens, dtype=np.int32)
            if len(ids):
                left, right = self._left[ids[1:]], self._right[ids[:-1]]
                begins = np.flatnonzero(~((left == 2) | ((left == 1) & right))) + 1
                units.extend(self._number(part) for part in np.split(ids, begins))
            starts.append(len(units))
        return Sentences(np.array(units, dtype=np.int32), np.array(starts, dtype=np.int64))

    def _number(self, ids: np.ndarray) -> int:
        key = ids.tobytes()
        if key not in self._numbers:
            self._numbers[key] = len(self._words)
            self._words.append(tuple(ids.tolist()))
        return self._numbers[key]

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
        return 0
    if text[0] & 0xC0 == 0x80:
        return 2
    letters = text.decode(errors="ignore")
    if letters and text.startswith(letters[0].encode()):
        return int(_is_letter(letters[0]))
    return int(_letter_lead(text[0]))


def _letter_lead(lead: int) -> bool:
    """Tell whether characters that begin with this byte are mostly letters: not U+0080-00BF, U+2000-2FFF, emoji."""
    return 0xC3 <= lead < 0xF0 and lead not in (0xE2, 0xEF)


def _ends_in_letter(text: bytes) -> bool:
    letters = text.decode(errors="replace")
    # The end of a character that began in an earlier token counts as a letter's.
    return bool(letters) and (letters[-1] == "\ufffd" or _is_letter(letters[-1]))
