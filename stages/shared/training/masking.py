"""Which tokens of a sequence are hidden from an encoder in training, as in RoBERTa."""

from dataclasses import dataclass

import numpy as np

from stages.shared.training.batches import IGNORED, Batch, Blocks

HIDDEN_SHARE = 0.15
MASKED_UP_TO, REPLACED_UP_TO = 0.8, 0.9
"""Of the hidden tokens 80 % become the mask, 10 % another token, 10 % stay (BERT and RoBERTa, arXiv 1907.11692)."""


@dataclass(frozen=True)
class Vocabulary:
    """What masking must know of a tokenizer."""

    mask_id: int
    padding_id: int
    ordinary: np.ndarray
    """Ids that may be hidden and may take another's place: all but the special ones, int64, sorted."""


@dataclass(frozen=True)
class MaskedBatch(Batch):
    """Sequences of which some tokens are hidden; an encoder has no use for `positions`."""

    padding_id: int

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return the inputs, the labels of the hidden tokens and their places among all tokens of the batch.

        After them a mask, 0 for padding, where there is any. They are found here, in main memory: on a GPU, to ask how
        many there are is to wait for all that was started before.
        """
        places, seen = np.flatnonzero(self.labels != IGNORED), self.inputs != self.padding_id
        mask = () if seen.all() else (seen.astype(np.int64),)
        return self.inputs, self.labels.reshape(-1)[places], places, *mask


@dataclass(frozen=True)
class MaskedBlocks(Blocks):
    """A row of tokens cut into sequences of which some tokens are hidden.

    Which ones follows from the seed and the sequence's number alone: neither from the step nor from the processes.
    """

    vocabulary: Vocabulary
    seed: int

    def targets(self, first: int, last: int) -> int:
        """Return the hidden tokens of the blocks from `first` to before `last`, at least 1: it is divided by."""
        rows = range(first, min(last, len(self)))
        return max(1, sum(hidden_count(self._ordinary(self._read(row))) for row in rows))

    def batch(self, rows: list[int]) -> MaskedBatch:
        """Return the blocks with the given numbers; a number past the end gives a row without targets.

        Labels are the hidden tokens, IGNORED elsewhere; a block cut short by the end is filled with padding.
        """
        shape = (len(rows), self.sequence_length)
        inputs = np.full(shape, self.vocabulary.padding_id, dtype=np.int64)
        labels = np.full(shape, IGNORED, dtype=np.int64)
        for place, row in enumerate(rows):
            read = self._read(row)
            inputs[place, : len(read)], labels[place, : len(read)] = self._hide(read, row)
            if not len(read):  # attention has to see something
                inputs[place] = self.tokens[0]
        return MaskedBatch(inputs, labels, np.zeros(shape, dtype=np.int64), self.vocabulary.padding_id)

    def _read(self, row: int) -> np.ndarray:
        # The very last token may be none of any block: there are as many blocks as there are to predict the next token.
        last = (row + 1) * self.sequence_length if row < len(self) else 0
        return self.tokens[row * self.sequence_length : last].astype(np.int64)

    def _ordinary(self, read: np.ndarray) -> np.ndarray:
        return np.flatnonzero(np.isin(read, self.vocabulary.ordinary))

    def _hide(self, read: np.ndarray, row: int) -> tuple[np.ndarray, np.ndarray]:
        candidates, ordinary = self._ordinary(read), self.vocabulary.ordinary
        order, fate, other = np.random.Generator(np.random.Philox(key=[self.seed, row])).random((3, len(read)))
        hidden = candidates[np.argsort(order[candidates], kind="stable")][: hidden_count(candidates)]
        inputs, labels = read.copy(), np.full(len(read), IGNORED, dtype=np.int64)
        labels[hidden] = read[hidden]
        inputs[hidden[fate[hidden] < MASKED_UP_TO]] = self.vocabulary.mask_id
        replaced = hidden[(fate[hidden] >= MASKED_UP_TO) & (fate[hidden] < REPLACED_UP_TO)]
        inputs[replaced] = ordinary[(other[replaced] * len(ordinary)).astype(np.int64)]
        return inputs, labels


def hidden_count(candidates: np.ndarray) -> int:
    """Return how many of a sequence's ordinary tokens are hidden: at least one, where there is one.

    >>> hidden_count(np.arange(100)), hidden_count(np.arange(2)), hidden_count(np.arange(0))
    (15, 1, 0)
    """
    return min(len(candidates), max(1, round(HIDDEN_SHARE * len(candidates))))
