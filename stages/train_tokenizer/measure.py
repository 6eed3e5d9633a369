"""How well tokenizers fit a held-out text."""

import re
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from stages.shared.text_table import read_rows

BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")
LAYOUT_TOKENS = {"<0x09>", "<0x0A>", "<0x0D>"}
BATCH_DOCUMENTS = 256


def tokens_per_word(folder: Path, texts: list[str]) -> float | None:
    """Return ids without special tokens by whitespace-separated words; None for a text without words."""
    words = sum(len(text.split()) for text in texts)
    if not words:
        return None
    return round(sum(len(ids) for ids in encode(AutoTokenizer.from_pretrained(folder), texts)) / words, 4)


def byte_fallback(folder: Path, texts: list[str]) -> dict[str, float | None]:
    """Return the share of tokens that spell one byte, and the share of characters that have a token.

    Line ends and tabs always take one byte token each; they are left out of both.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    known = tokenizer.get_vocab()
    byte_ids = {number for token, number in known.items() if BYTE_TOKEN.fullmatch(token) and token not in LAYOUT_TOKENS}
    encoded = encode(tokenizer, texts)
    tokens = sum(len(ids) for ids in encoded)
    spelled = sum(number in byte_ids for ids in encoded for number in ids)
    characters = [character for text in texts for character in text if character not in "\n\r\t"]
    covered = sum(character in known or character == " " for character in characters)
    return {
        "byte_fallback_share": round(spelled / tokens, 6) if tokens else None,
        "character_coverage": round(covered / len(characters), 6) if characters else None,
    }


def encode(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Return the ids of texts without special tokens, in batches."""
    ids: list[list[int]] = []
    for first in range(0, len(texts), BATCH_DOCUMENTS):
        batch = texts[first : first + BATCH_DOCUMENTS]
        ids += tokenizer(batch, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    return ids


def read_sample(parquet: Path, max_bytes: int) -> list[str]:
    """Return the first documents of a split, about `max_bytes` bytes of them."""
    texts: list[str] = []
    size = 0
    for (text,) in read_rows(parquet, ["text"]):
        if size >= max_bytes:
            break
        texts.append(text)
        size += len(text.encode())
    return texts
