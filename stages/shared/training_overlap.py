"""Which lines of a test set stand in training text."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.shared.overlap import SentenceIndex, batches, line_keys, text_keys
from stages.shared.text_table import read_lines


class TrainingOverlap(NamedTuple):
    """What some lines have in common with training text; bool arrays, one value a line."""

    shares: np.ndarray
    """Does it share a sentence of enough words, or 13 words in a row?"""
    repeats: np.ndarray
    """Is its whole text a line or a sentence there, however short?"""


def in_training_text(lines: Sequence[str], trained_on: Iterable[tuple[Path, str]], least_words: int) -> TrainingOverlap:
    """Return which lines stand in training text, case, digits and punctuation aside.

    `trained_on` are tables and a column of text in each. A sentence of fewer than `least_words` words that is but a
    part of its line does not count; a line without a word repeats nothing.
    """
    whole = text_keys(lines)
    looked_for = SentenceIndex.of_keys(np.union1d(line_keys(lines, least_words)[0], whole))
    found = [np.empty(0, np.uint64)]
    for path, column in trained_on:
        found += [looked_for.restricted_to(batch).set.keys for batch in batches(read_lines(path, column))]
    known = SentenceIndex.of_keys(np.unique(np.concatenate(found)))
    return TrainingOverlap(known.overlapping(lines, least_words), np.isin(whole, known.set.keys))
