"""Which lines of a test set stand in training text."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from stages.shared.overlap import SentenceIndex, batches, line_keys
from stages.shared.text_table import read_lines


def in_training_text(lines: Sequence[str], trained_on: Iterable[tuple[Path, str]], least_words: int) -> np.ndarray:
    """Tell of each line whether it shares a sentence or 13 words in a row with the training text: a bool array.

    `trained_on` are tables and a column of text in each. A sentence of fewer than `least_words` words does not count.
    """
    index = SentenceIndex.of_keys(np.unique(line_keys(lines, least_words)[0]))
    found = [np.empty(0, np.uint64)]
    for path, column in trained_on:
        found += [index.restricted_to(batch).set.keys for batch in batches(read_lines(path, column))]
    return SentenceIndex.of_keys(np.unique(np.concatenate(found))).overlapping(lines)
