"""Texts to token ids, the same way wherever documents are packed or measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from pipeline.errors import UserError


@dataclass(frozen=True)
class DocumentEncoder:
    """A tokenizer that puts its BOS, exactly one, before each document, whatever it would do by itself."""

    tokenizer: Any
    bos_token_id: int
    vocabulary_size: int

    @property
    def dtype(self) -> np.dtype:
        """The smallest type that holds every id, little endian."""
        return np.dtype("<u2" if self.vocabulary_size < 2**16 else "<u4")

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Return for each text its BOS and token ids.

        The names of special tokens are text here: a page that holds `<s>` must not begin a document.
        """
        encoded = self.tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, return_attention_mask=False, verbose=False
        )
        return [[self.bos_token_id, *ids] for ids in encoded["input_ids"]]


def load_encoder(folder: Path) -> DocumentEncoder:
    """Load the tokenizer of a Hugging Face folder.

    Raises UserError where it has no BOS token.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.bos_token_id is None:
        raise UserError(
            f"the tokenizer in {folder} has no BOS token, which begins every document here. "
            "Choose a base model whose tokenizer_config.json names a bos_token."
        )
    return DocumentEncoder(tokenizer, tokenizer.bos_token_id, len(tokenizer))
