"""What the base model's tokenizer and the new one make of each source's words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from stages.describe_corpus.samples import Sample
from stages.shared.fertility import TokenCounter, first_texts

MEASURED_BYTES = 1_000_000
"""Validation text for the whole: enough for three digits."""
SAMPLE_CHARACTERS = 200_000
"""Of each source: enough for two digits."""
HELD_OUT = ("validation", "test")


class Tokenizers(NamedTuple):
    """The base model's tokenizer and the new one."""

    base: TokenCounter
    new: TokenCounter


def load_tokenizers(base_model: Path, tokenizer: Path) -> Tokenizers:
    """Load both, once where the base model keeps its own."""
    base = TokenCounter(base_model)
    return Tokenizers(base, base if tokenizer == base_model else TokenCounter(tokenizer))


def tokens_per_word(texts: Sequence[str], tokenizers: Tokenizers) -> dict[str, float | None]:
    """Return both figures of the same texts, None for texts without words."""
    return {name: counter.tokens_per_word(texts) for name, counter in tokenizers._asdict().items()}


def of_validation(corpus: Path, tokenizers: Tokenizers) -> dict[str, float | None]:
    """Return both figures of the validation split."""
    return tokens_per_word(first_texts(corpus / "validation.parquet", MEASURED_BYTES), tokenizers)


class SourceText:
    """A sample of each source's held-out text, and of its training text where it has no other."""

    def __init__(self) -> None:
        self.samples: dict[tuple[str, str], Sample] = {}

    def add(self, card: str, split: str, name: str, text: str) -> None:
        """Offer a document."""
        text_of = "held out" if split in HELD_OUT else "training"
        self.samples.setdefault((card, text_of), Sample(SAMPLE_CHARACTERS)).add(name, text)

    def figures(self, tokenizers: Tokenizers) -> Mapping[str, dict[str, Any]]:
        """Return for each source tokens a word, the sample's words, and which text it is.

        The new tokenizer has seen training text, which it may cut a little better for that.
        """
        found = {}
        for card in sorted({card for card, _ in self.samples}):
            text_of = next(kind for kind in ("held out", "training") if (card, kind) in self.samples)
            texts = self.samples[card, text_of].texts
            words = sum(len(text.split()) for text in texts)
            found[card] = {**tokens_per_word(texts, tokenizers), "words": words, "text": text_of}
        return found
