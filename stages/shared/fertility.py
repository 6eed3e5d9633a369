"""How many tokens a tokenizer needs for a word."""

from collections.abc import Sequence
from pathlib import Path

from transformers import AutoTokenizer

from stages.shared.text_table import read_rows

BATCH_DOCUMENTS = 256


class TokenCounter:
    """The tokenizer of a Hugging Face folder, which counts."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of texts without special tokens, in batches."""
        ids: list[list[int]] = []
        for first in range(0, len(texts), BATCH_DOCUMENTS):
            batch = list(texts[first : first + BATCH_DOCUMENTS])
            ids += self.tokenizer(batch, add_special_tokens=False, split_special_tokens=True, verbose=False)[
                "input_ids"
            ]
        return ids

    def tokens_per_word(self, texts: Sequence[str]) -> float | None:
        """Return ids without special tokens by whitespace-separated words; None for texts without words."""
        words = sum(len(text.split()) for text in texts)
        return round(sum(map(len, self.encode(texts))) / words, 4) if words else None


def first_texts(parquet: Path, max_bytes: int) -> list[str]:
    """Return the first documents of a split, about `max_bytes` bytes of them."""
    texts: list[str] = []
    size = 0
    for (text,) in read_rows(parquet, ["text"]):
        if size >= max_bytes:
            break
        texts.append(text)
        size += len(text.encode())
    return texts
