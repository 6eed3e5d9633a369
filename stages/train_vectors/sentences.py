"""Text cut into the units that vectors are trained for, kept as numbers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import regex
from tqdm import tqdm

from stages.shared.token_text import Vocabulary

LONGEST = 10_000
"""gensim drops what a sentence has beyond this many units."""
BATCH_LINES = 4096
WORD = regex.compile(r"[\p{L}\p{M}]+(?:['’-][\p{L}\p{M}]+)*|\p{N}+|[^\s\p{L}\p{M}\p{N}]")


@dataclass(frozen=True)
class Sentences:
    """Sentences as numbers of units; may be read again and again, with a progress bar each time."""

    names: Sequence[str]
    """The units."""
    units: np.ndarray
    """Numbers of units, one sentence after the other, shape (running units,)."""
    starts: np.ndarray
    """Where each sentence begins in `units`, and the end, shape (sentences + 1,)."""

    def __iter__(self) -> Iterator[list[str]]:
        names = self.names
        for first, last in tqdm(
            zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True),
            desc="vectors, one pass",
            total=len(self.starts) - 1,
            unit=" lines",
            mininterval=1,
        ):
            yield [names[unit] for unit in self.units[first:last].tolist()]


def token_sentences(texts: Iterable[str], vocabulary: Vocabulary) -> Sentences:
    """Cut each line of the texts into tokens."""
    return _collect((ids for batch in _batches(texts) for ids in vocabulary.encode(batch)), vocabulary.tokens)


def word_sentences(texts: Iterable[str]) -> Sentences:
    """Cut each line of the texts into words, numbers and punctuation marks; words are numbered as they first occur."""
    numbers: dict[str, int] = {}
    cut = (WORD.findall(line) for batch in _batches(texts) for line in batch)
    found = _collect(([numbers.setdefault(word, len(numbers)) for word in words] for words in cut), ())
    return Sentences(tuple(numbers), found.units, found.starts)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch += [line for line in text.split("\n") if line.strip()]
        if len(batch) >= BATCH_LINES:
            yield batch
            batch = []
    yield batch


def _collect(lines: Iterable[list[int]], names: Sequence[str]) -> Sentences:
    parts, ends = [np.zeros(0, dtype=np.int32)], [0]
    for line in lines:
        for first in range(0, len(line), LONGEST):
            part = np.array(line[first : first + LONGEST], dtype=np.int32)
            parts.append(part)
            ends.append(ends[-1] + len(part))
    return Sentences(names, np.concatenate(parts), np.array(ends, dtype=np.int64))
