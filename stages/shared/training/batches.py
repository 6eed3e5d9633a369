"""Sequences from a row of packed tokens, in an order that does not depend on the number of processes."""

from dataclasses import dataclass

import numpy as np

from stages.shared.training.settings import blocks

IGNORED = -100
"""Label of a position without a target."""


@dataclass(frozen=True)
class Batch:
    """Sequences that go through the model together, all of shape (sequences, sequence length)."""

    inputs: np.ndarray
    """int64."""
    labels: np.ndarray
    """The token after each input token, int64; IGNORED past the end."""
    positions: np.ndarray
    """Place of each token in its document, or in its sequence where documents are not told apart, int64."""

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return what the model that gives the loss is called with, in that order."""
        return self.inputs, self.labels, self.positions


@dataclass(frozen=True)
class Blocks:
    """A row of tokens cut into sequences: block i reads tokens i*L to (i+1)*L and predicts the ones after them.

    So every token but the first is predicted exactly once.
    """

    tokens: np.ndarray
    starts: np.ndarray
    """Where each document begins, int64, sorted."""
    sequence_length: int
    by_document: bool

    def __len__(self) -> int:
        """Return the number of blocks."""
        return blocks(len(self.tokens), self.sequence_length)

    def targets(self, first: int, last: int) -> int:
        """Return the predicted tokens of the blocks from `first` to before `last`."""
        length = self.sequence_length
        return min(last * length, len(self.tokens) - 1) - min(first * length, len(self.tokens) - 1)

    def batch(self, rows: list[int]) -> Batch:
        """Return the blocks with the given numbers; a number past the end gives a row without targets."""
        length = self.sequence_length
        inputs = np.zeros((len(rows), length), dtype=np.int64)
        labels = np.full((len(rows), length), IGNORED, dtype=np.int64)
        positions = np.tile(np.arange(length, dtype=np.int64), (len(rows), 1))
        for place, row in enumerate(rows):
            taken = self.tokens[row * length : (row + 1) * length + 1].astype(np.int64)
            read, predicted = taken[:length], taken[1:]
            inputs[place, : len(read)] = read
            labels[place, : len(predicted)] = predicted
            if self.by_document:
                positions[place] = self._places(row * length)
        return Batch(inputs, labels, positions)

    def _places(self, first: int) -> np.ndarray:
        places = np.arange(self.sequence_length, dtype=np.int64)
        begin, end = np.searchsorted(self.starts, [first + 1, first + self.sequence_length])
        begins = np.zeros(self.sequence_length, dtype=np.int64)
        inside = self.starts[begin:end] - first
        begins[inside] = inside
        # A document cut by the block's edge counts from the edge: what came before it is not in view.
        return places - np.maximum.accumulate(begins)
