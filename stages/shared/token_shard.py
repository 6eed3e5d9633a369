"""Reading packed tokens; needs numpy only, so that training can be carried to a bare GPU machine."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TokenShard:
    """The documents of one split as one long row of token ids, each document begun by its BOS."""

    tokens: np.ndarray
    """Token ids, uint16 or uint32, shape (tokens,); mapped from the file, not read into memory."""
    starts: np.ndarray
    """Where each document begins, int64, shape (documents,)."""
    meta: dict[str, Any]
    """tokens.json."""

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.starts)

    def document(self, index: int) -> np.ndarray:
        """Return the token ids of one document, its BOS included."""
        end = self.starts[index + 1] if index + 1 < len(self.starts) else len(self.tokens)
        return self.tokens[self.starts[index] : end]


def token_dtype(vocabulary_size: int) -> np.dtype:
    """Return the smallest type that holds every id of a vocabulary, little endian.

    >>> token_dtype(32_000).itemsize, token_dtype(65_536).itemsize
    (2, 4)
    """
    return np.dtype("<u2" if vocabulary_size < 2**16 else "<u4")


def read_tokens(folder: Path, split: str) -> TokenShard:
    """Open the split `train` or `validation` of a packed_tokens artifact."""
    meta = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    path, dtype = folder / f"{split}.bin", np.dtype(meta["dtype"]).newbyteorder("<")
    # An empty file cannot be mapped.
    tokens = np.memmap(path, dtype=dtype, mode="r") if path.stat().st_size else np.empty(0, dtype=dtype)
    return TokenShard(tokens, np.load(folder / f"{split}_starts.npy"), meta)
