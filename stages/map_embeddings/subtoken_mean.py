"""Fast Vocabulary Transfer: a new token is the mean of the source tokens that spell it (Gee et al. 2022)."""

import numpy as np

from stages.map_embeddings.initialization import (
    COPIED,
    SPELLED,
    UNMAPPED,
    Initialization,
    MappingTask,
    normalize_rows,
)
from stages.map_embeddings.methods import init_method
from stages.map_embeddings.same_text import copy_partners
from stages.map_embeddings.token_counts import sum_pairs
from stages.shared.token_text import BYTE_LEVEL, SENTENCEPIECE, WORDPIECE, Vocabulary, byte_level_token


@init_method()
def subtoken_mean(task: MappingTask) -> Initialization:
    """Copy tokens that the source has, spell the others with source tokens and average those."""
    partner = copy_partners(task.source, task.target)
    how = np.where(partner >= 0, COPIED, UNMAPPED).astype(np.int8)
    rows, columns = list(np.flatnonzero(partner >= 0)), list(partner[partner >= 0])
    for row in np.flatnonzero((partner < 0) & ~task.target.special):
        spelled = spell(task.target.text[row], task.source)
        rows += [row] * len(spelled)
        columns += spelled
        how[row] = SPELLED if spelled else UNMAPPED
    found = (np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64), np.ones(len(rows), dtype=np.int64))
    weights = normalize_rows(sum_pairs([found], task.source, task.target).astype(np.float64))
    return Initialization(weights, "mean", how)


def spell(text: bytes, source: Vocabulary) -> list[int]:
    """Return the source tokens that spell a text as it stands inside a sentence, without unknown ones.

    The tokenizer's model is asked, not the tokenizer: that one would put a word start before every text.
    """
    if source.style == BYTE_LEVEL:
        return _known(source, byte_level_token(text))
    try:
        letters = text.decode()
    except UnicodeDecodeError:
        # Part of a character: spelled with byte tokens, where the source has them.
        names = [f"<0x{byte:02X}>" for byte in text]
        return [source.ids[name] for name in names if name in source.ids]
    if source.style == SENTENCEPIECE:
        return _known(source, letters.replace(" ", "▁"))
    if source.style == WORDPIECE and not letters.startswith(" "):
        return _inside_word(source, letters)
    return _known(source, letters.strip() if source.style == WORDPIECE else letters)


def _known(source: Vocabulary, written: str) -> list[int]:
    if not written:
        return []
    return [token.id for token in source.backend.model.tokenize(written) if not source.special[token.id]]


def _inside_word(source: Vocabulary, letters: str) -> list[int]:
    """Return WordPiece's longest matches from the left, all of them continuations."""
    found: list[int] = []
    start = 0
    while start < len(letters):
        ends = range(len(letters), start, -1)
        end = next((end for end in ends if source.continuing_prefix + letters[start:end] in source.ids), None)
        if end is None:
            return []
        found.append(source.ids[source.continuing_prefix + letters[start:end]])
        start = end
    return found
