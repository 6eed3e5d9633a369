"""Pairs to tokens: the prompt is read, the translation is learnt."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.shared.hydra.processing import HydraProcessor
from stages.shared.training.batches import IGNORED
from stages.shared.translation.pairs import Pair
from stages.shared.translation.prompts import Shown, is_plain, segments
from stages.shared.translation.settings import Languages


@dataclass(frozen=True)
class Example:
    """Tokens of one pair."""

    ids: tuple[int, ...]
    """Prompt, translation, and what ends it."""
    asked: int
    """Tokens of the prompt."""


@dataclass(frozen=True)
class PairEncoder:
    """Encodes pairs as translating does: the prompt in the source vocabulary, the translation in the target's."""

    processor: HydraProcessor
    prompt: str
    languages: Languages

    def encode(self, pair: Pair, shown: Shown = ()) -> Example:
        """Return the tokens of a pair, and of another translation in its prompt, which the model only reads."""
        special = self.special
        if special and not is_plain(shown, self.special_tokens):
            shown = ()
        before = segments(pair[0], self.languages, self.prompt, special, shown)
        # Between the prompt's last word and the translation's first there is a space, as within a line.
        space = "" if self.prompt[-1:].isspace() else " "
        asked = self.processor.encode(before)
        whole = self.processor.encode([*before, (self.languages.target.code, space + pair[1])])
        # In one vocabulary the last token of the prompt may be another one where a text follows.
        shared = next(
            (place for place, (one, other) in enumerate(zip(asked, whole, strict=False)) if one != other), len(asked)
        )
        return Example((*whole, self.end), shared)

    @cached_property
    def special(self) -> bool:
        """Whether the prompt has names of special tokens, as a chat's has."""
        return any(token in self.prompt for token in self.special_tokens)

    @cached_property
    def special_tokens(self) -> tuple[str, ...]:
        """The source vocabulary's."""
        return self.processor.special_tokens(self.processor.vocabulary_of(self.languages.source.code))

    @property
    def end(self) -> int:
        """The id that ends a translation: the output vocabulary's EOS, else what begins its texts."""
        name = self.processor.names[0]
        end = self.processor.tokenizers[name].eos_token_id
        return self.processor.start_id(name) if end is None else int(end)


def make_batch(examples: Sequence[Example]) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and labels, int64, of shape (examples, longest - 1); IGNORED where nothing is learnt.

    Shorter examples are filled up behind their end, where no token of theirs sees it.
    """
    longest = max(len(example.ids) for example in examples) - 1
    inputs = np.zeros((len(examples), longest), dtype=np.int64)
    labels = np.full((len(examples), longest), IGNORED, dtype=np.int64)
    for row, example in enumerate(examples):
        inputs[row, : len(example.ids) - 1] = example.ids[:-1]
        labels[row, example.asked - 1 : len(example.ids) - 1] = example.ids[example.asked :]
    return inputs, labels
