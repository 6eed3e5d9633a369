"""The lines that a tokenizer is trained on."""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import UserError
from stages.shared.text_sample import sampled_texts, text_bytes

# SentencePiece silently skips every sentence with one of its own marks: tab, U+2581 (space) and U+2585 (unknown).
# Line ends separate sentences, and U+0000 ends a C string.
SEPARATORS = re.compile("[\n\r\t\u2581\u2585\0]+")


def training_texts(parquet: Path, max_bytes: int) -> Iterator[str]:
    """Yield the texts of the corpus, or an even sample of them of about `max_bytes` bytes.

    Raises UserError for a corpus without text.
    """
    total = text_bytes(parquet)
    if total == 0:
        raise UserError(f"{parquet} has no text to train a tokenizer on: add a corpus to the language's data cards.")
    yield from sampled_texts(parquet, "text", total, max_bytes)


def lines(texts: Iterator[str]) -> Iterator[str]:
    """Yield the lines of texts, cut at the characters that SentencePiece keeps for itself."""
    for text in texts:
        yield from filter(None, SEPARATORS.split(text))
