"""Texts to token ids, the same way wherever documents are packed or measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UserError
from stages.shared.loading import load_tokenizer
from stages.shared.token_shard import token_dtype


@dataclass(frozen=True)
class DocumentEncoder:
    """A tokenizer that puts one start token before each document, whatever it would do by itself."""

    tokenizer: Any
    start_token_id: int
    vocabulary_size: int

    @property
    def dtype(self) -> np.dtype:
        """The smallest type that holds every id, little endian."""
        return token_dtype(self.vocabulary_size)

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Return for each text its start token and token ids.

        The names of special tokens are text here: a page that holds `<s>` must not begin a document.
        """
        encoded = self.tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, return_attention_mask=False, verbose=False
        )
        return [[self.start_token_id, *ids] for ids in encoded["input_ids"]]

    def unknown_tokens(self, documents: Iterable[Sequence[int]]) -> int:
        """Return how many tokens of encoded documents stand for text that the tokenizer cannot write (`<unk>`).

        A model pays once for such a token, however much text it hides. A tokenizer of bytes, or with bytes to fall back
        to, never writes one.
        """
        unknown = self.tokenizer.unk_token_id
        return sum(ids[1:].count(unknown) for ids in documents)


def load_encoder(folder: Path) -> DocumentEncoder:
    """Load the tokenizer of a Hugging Face folder with the token that begins each document: BOS, else EOS, else CLS.

    Models without a BOS (GPT-NeoX, Qwen) saw their end-of-text token between documents when they were trained.
    Raises UserError where there is none of them, or no tokenizer.
    """
    tokenizer = load_tokenizer(folder)
    ids = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id)
    start = next((number for number in ids if number is not None), None)
    if start is None:
        raise UserError(
            f"the tokenizer in {folder} has no BOS, EOS or CLS token to begin a document with; "
            "name one in its tokenizer_config.json"
        )
    return DocumentEncoder(tokenizer, start, len(tokenizer))
