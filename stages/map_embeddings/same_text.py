"""Tokens of two vocabularies that stand for the same text, or for the same role."""

from itertools import repeat

import numpy as np

from stages.shared.token_text import WORDPIECE, Vocabulary

FALLBACK_ROLE = {"bos": "cls", "cls": "bos", "eos": "sep", "sep": "eos", "mask": "pad"}


def copy_partners(source: Vocabulary, target: Vocabulary) -> np.ndarray:
    """Return the source id of the same text or role for each target token, -1 where there is none."""
    partner = np.full(len(target), -1, dtype=np.int64)
    for targets, sources in (same_text_partners(source, target), special_partners(source, target)):
        partner[targets] = sources
    return partner


def same_text_partners(source: Vocabulary, target: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return target and source ids of the tokens that stand for the same text.

    Compares what tokens stand for, not how they are written: SentencePiece's `▁één` meets the byte-level `ĠÃ©Ã©n`, and
    `<0xC3>` the byte-level `Ã`. Special tokens have no text and meet by their name.
    """
    by_text = source.by_text()
    loose = WORDPIECE in (source.style, target.style)
    partner = np.fromiter(map(by_text.get, target.text, repeat(-1)), np.int64, len(target))
    apart = target.special | target.byte_fallback | np.array([not text for text in target.text], dtype=bool)
    for row in np.flatnonzero(apart | (partner < 0) if loose else apart):
        partner[row] = _partner(int(row), source, target, by_text, loose)
    rows = np.flatnonzero(partner >= 0)
    return rows, partner[rows]


def _partner(row: int, source: Vocabulary, target: Vocabulary, by_text: dict[bytes, int], loose: bool) -> int:
    token, text = target.tokens[row], target.text[row]
    if target.special[row] or target.byte_fallback[row]:
        same = source.ids.get(token, -1)
        if same >= 0 and source.special[same] == target.special[row]:
            return same
    if target.special[row] or not text:
        return -1
    partner = by_text.get(text, -1)
    if partner < 0 and loose and not text.strip().decode(errors="replace").isalnum():
        # WordPiece cuts off punctuation without saying whether a space went before it.
        partner = by_text.get(text.strip() if text.startswith(b" ") else b" " + text, -1)
    return partner


def special_partners(source: Vocabulary, target: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return target and source ids of special tokens by role: the same role, else its sister role, else unk.

    A role whose token the source lacks altogether, with no unk to stand in, has no partner.
    """
    pairs = []
    for role, token in target.roles.items():
        names = (role, FALLBACK_ROLE.get(role, "unk"), "unk")
        partner = next((source.roles[name] for name in names if name in source.roles), None)
        if partner is not None:
            pairs.append((target.ids[token], source.ids[partner]))
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
