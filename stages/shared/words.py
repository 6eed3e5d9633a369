"""A text's words as they are compared: without case, digits and punctuation."""

import re
import unicodedata

import regex

WORD = regex.compile(r"[\p{L}\p{M}]+")
ASCII_WORD = re.compile(r"[a-z]+")  # the same for ASCII text, several times as fast


def fold(text: str) -> str:
    """Return a text without case, in NFC."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def words(text: str) -> list[str]:
    """Return a text's words as they are compared: without case, digits and punctuation."""
    if text.isascii():
        return ASCII_WORD.findall(text.lower())
    return list(WORD.findall(fold(text)))


def comparable(text: str) -> str:
    """Return a text by which two count as the same: case, digits, punctuation and spaces do not matter.

    >>> comparable("Stap 1: Klik  op OK!") == comparable("stap 2 - klik op ok")
    True
    """
    return " ".join(words(text))
