"""What a character is, as bits looked up by code point: a batch of text is classified in one indexing."""

import functools
import sys

import numpy as np
import regex
from numpy.typing import NDArray

from stages.shared.language_identification import LETTER as ANY_LETTER
from stages.shared.language_identification import script_pattern

SPACE, LETTER, WORDY, FAMILIAR, LONE_MOJIBAKE, SENTENCE_MARK, CLOSING = (1 << bit for bit in range(7))
"""Bits: white space as `str.split` has it; a letter; no punctuation; what text in any script but an accented Latin one
is written with, ASCII included; mojibake by itself; what ends a sentence, and what may stand behind that."""
# The marks that datatrove's `PUNCTUATION` names (Apache-2.0): a word of these alone counts as no word.
PUNCTUATION = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
CONTROLS = [*range(9), 11, 12, *range(13, 32), *range(127, 160)]
# Ђ is no letter of Russian or Tatar, but what quotation marks become where UTF-8 is read as windows-1251.
GREEK_BEGINS, MOJIBAKE_LETTER = 0x370, 0x402
# ftfy takes these for mojibake next to ASCII too.
LONE = [*range(0x80, 0xA0), *map(ord, "ŒœÃÂ")]
SENTENCE_MARKS = ".?!…։"  # the last one is Armenia's full stop
CLOSING_MARKS = "\"'”’»“‘«›‹)"
# No letter and no white space stands beyond the planes of Chinese, in Unicode 17.
LAST_LETTER = 0x34000


@functools.cache
def character_table() -> NDArray[np.uint8]:
    """Return the bits of every code point, (0x110000,)."""
    table = np.full(sys.maxunicode + 1, WORDY, np.uint8)
    table[[*map(ord, PUNCTUATION), *CONTROLS]] = 0
    table[[point for point in range(LAST_LETTER) if chr(point).isspace()]] = SPACE
    letters = _matches(ANY_LETTER)
    table[letters] |= LETTER
    table[letters[(letters >= GREEK_BEGINS) & (letters != MOJIBAKE_LETTER)]] |= FAMILIAR
    table[:128] |= FAMILIAR
    table[LONE] |= LONE_MOJIBAKE
    table[[*map(ord, SENTENCE_MARKS)]] |= SENTENCE_MARK
    table[[*map(ord, CLOSING_MARKS)]] |= CLOSING
    return table


@functools.cache
def script_table(script: str) -> NDArray[np.bool_]:
    """Return for every code point whether it is a letter of a script, given its ISO 15924 code, (0x110000,).

    Raises ValueError for a script that Unicode does not know.
    """
    table = np.zeros(sys.maxunicode + 1, np.bool_)
    table[_matches(script_pattern(script))] = True
    return table


def _matches(pattern: regex.Pattern) -> NDArray[np.int64]:
    found = pattern.findall("".join(map(chr, range(LAST_LETTER))))
    return np.array([ord(character) for character in found], np.int64)
