"""What every token of a vocabulary stands for, whatever its tokenizer writes for a space, a byte or a word's inside."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UserError

BYTE_LEVEL, SENTENCEPIECE, WORDPIECE, PLAIN = "byte_level", "sentencepiece", "wordpiece", "plain"
ROLES = ("pad", "unk", "bos", "eos", "cls", "sep", "mask")
SENTENCEPIECE_SPACE = "▁"
ENCODE_BATCH = 4096


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a tokenizer in id order and what they stand for; arrays have the shape (tokens,).

    A WordPiece token without `##` stands for its text after a space. An id that no token has is an empty special token.
    """

    folder: Path
    style: str
    """`byte_level` (Ġ), `sentencepiece` (▁), `wordpiece` (##) or `plain`."""
    tokens: tuple[str, ...]
    """As the tokenizer writes them."""
    text: tuple[bytes, ...]
    """UTF-8 of what they stand for; part of a character where a token is so. Empty for special tokens."""
    special: np.ndarray
    """Not text: padding, begin, end, unknown, chat markers."""
    byte_fallback: np.ndarray
    """SentencePiece's `<0xNN>`."""
    starts_word: np.ndarray
    """Begins with a space."""
    roles: dict[str, str]
    """Special token by role (pad, unk, bos, eos, cls, sep, mask), where the tokenizer has one."""
    backend: Any = field(repr=False, compare=False)
    """The `tokenizers.Tokenizer`."""
    ids: dict[str, int] = field(repr=False, compare=False)
    continuing_prefix: str = ""
    """WordPiece's `##`."""

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Yield the ids of each text, without special tokens around it."""
        for start in range(0, len(texts), ENCODE_BATCH):
            batch = list(texts[start : start + ENCODE_BATCH])
            for encoding in self.backend.encode_batch_fast(batch, add_special_tokens=False):
                yield encoding.ids

    def by_text(self) -> dict[bytes, int]:
        """Return the token for each text; a plain token before a byte token, then the lower in the order of strings."""
        return self._by_text

    @cached_property
    def _by_text(self) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        order = sorted(range(len(self)), key=self.tokens.__getitem__)
        for byte_fallback in (False, True):
            for row in order:
                if not self.special[row] and self.byte_fallback[row] == byte_fallback:
                    found.setdefault(self.text[row], row)
        return found


def load_vocabulary(folder: Path) -> Vocabulary:
    """Read the vocabulary of a tokenizer's folder, which needs no model.

    Raises UserError where the folder holds no tokenizer, or one that has no fast implementation.
    """
    from stages.shared.loading import load_tokenizer  # slow to import, and planning imports this module

    tokenizer = load_tokenizer(folder)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UserError(f"{folder}: {type(tokenizer).__name__} has no fast implementation. Save it as tokenizer.json.")
    roles = {role: getattr(tokenizer, f"{role}_token", None) for role in ROLES}
    return vocabulary_of(folder, backend, {role: str(token) for role, token in roles.items() if token is not None})


def vocabulary_of(folder: Path, backend: Any, roles: dict[str, str]) -> Vocabulary:
    """Decode the vocabulary of a `tokenizers.Tokenizer`."""
    # The names of special tokens are text where they stand in a text.
    backend.encode_special_tokens = True
    backend.no_padding()
    backend.no_truncation()
    ids: dict[str, int] = backend.get_vocab(with_added_tokens=True)
    tokens = [""] * (max(ids.values()) + 1)
    for token, row in ids.items():
        tokens[row] = token
    added = backend.get_added_tokens_decoder()
    special = np.array([token == "" for token in tokens])
    special[[row for row, token in added.items() if token.special]] = True
    # The unknown piece that SentencePiece must have stands for no text, whether or not it has the role.
    named = {*roles.values(), getattr(backend.model, "unk_token", None)}
    special[[ids[token] for token in named if token in ids]] = True
    literal = frozenset(row for row, token in added.items() if not token.special)
    style, prefix = tokenizer_style(json.loads(backend.to_str()))
    text, byte_fallback = decode_tokens(tokens, special, literal, style, prefix)
    return Vocabulary(
        folder=folder,
        style=style,
        tokens=tuple(tokens),
        text=tuple(text),
        special=special,
        byte_fallback=byte_fallback,
        starts_word=np.array([part.startswith(b" ") for part in text]),
        roles=roles,
        backend=backend,
        ids=ids,
        continuing_prefix=prefix,
    )


def tokenizer_style(described: dict[str, Any]) -> tuple[str, str]:
    """Return how a tokenizer.json writes spaces, and WordPiece's continuing prefix (else the empty string)."""
    parts = [described.get(name) for name in ("pre_tokenizer", "decoder", "normalizer")]
    model = described["model"]
    if _mentions(parts, "ByteLevel"):
        return BYTE_LEVEL, ""
    if model.get("type") == "WordPiece" or _mentions(parts, "WordPiece"):
        return WORDPIECE, model.get("continuing_subword_prefix") or "##"
    if _mentions(parts, "Metaspace") or _mentions(parts, SENTENCEPIECE_SPACE):
        return SENTENCEPIECE, ""
    return PLAIN, ""


def _mentions(part: Any, word: str) -> bool:
    if isinstance(part, dict):
        return any(_mentions(value, word) for value in part.values())
    if isinstance(part, list):
        return any(_mentions(value, word) for value in part)
    return bool(part == word)


def decode_tokens(
    tokens: Sequence[str], special: np.ndarray, literal: frozenset[int], style: str, prefix: str
) -> tuple[list[bytes], np.ndarray]:
    """Return the bytes that each token stands for, and which tokens are SentencePiece's `<0xNN>`.

    `literal` tokens were added to the vocabulary as they are and stand for their own letters.
    """
    byte_fallback = np.zeros(len(tokens), dtype=bool)
    text: list[bytes] = []
    for row, token in enumerate(tokens):
        if special[row]:
            text.append(b"")
        elif row in literal:
            text.append(token.encode())
        elif style == BYTE_LEVEL:
            text.append(byte_level_bytes(token))
        elif style == WORDPIECE:
            text.append(token.removeprefix(prefix).encode() if token.startswith(prefix) else b" " + token.encode())
        elif is_byte_token(token):
            byte_fallback[row] = True
            text.append(bytes([int(token[3:5], 16)]))
        else:
            space = SENTENCEPIECE_SPACE if style == SENTENCEPIECE else " "
            text.append(token.replace(space, " ").encode())
    return text, byte_fallback


def is_byte_token(token: str) -> bool:
    """Tell whether a token is one of SentencePiece's 256 bytes.

    >>> is_byte_token("<0x0A>"), is_byte_token("<0xA>")
    (True, False)
    """
    digits = "0123456789ABCDEFabcdef"
    return len(token) == 6 and token[:3] == "<0x" and token[5] == ">" and token[3] in digits and token[4] in digits


def _byte_level_alphabet() -> dict[str, int]:
    """GPT-2's letters for the 256 bytes: printable ones stand for themselves, the rest follow U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


BYTE_OF_LETTER = _byte_level_alphabet()
LETTER_OF_BYTE = {byte: letter for letter, byte in BYTE_OF_LETTER.items()}


def byte_level_bytes(token: str) -> bytes:
    """Decode a byte-level token; one with other letters than the 256 stands for itself.

    >>> byte_level_bytes("ĠÃ©Ã©n").decode()
    ' één'
    """
    if all(letter in BYTE_OF_LETTER for letter in token):
        return bytes(BYTE_OF_LETTER[letter] for letter in token)
    return token.encode()


def byte_level_token(text: bytes) -> str:
    """Encode bytes in byte-level letters, the inverse of `byte_level_bytes`."""
    return "".join(LETTER_OF_BYTE[byte] for byte in text)
