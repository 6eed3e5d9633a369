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

    The tokenizer's normaliser and model are asked, not itself: it would put a word start before every text.
    """
    if source.style == BYTE_LEVEL:
        return _known(source, byte_level_token(text))
    try:
        letters = text.decode()
    except UnicodeDecodeError:
        # Part of a character: spelled with byte tokens, where the source has them.
        names = [f"<0x{byte:02X}>" for byte in text]
        return [source.ids[name] for name in names if name in source.ids]
    letters = _normalized(source, letters)
    if source.style == WORDPIECE:
        return _word_pieces(source, letters)
    return _known(source, letters.replace(" ", "▁") if source.style == SENTENCEPIECE else letters)


def _normalized(source: Vocabulary, letters: str) -> str:
    """Return a text as the source's normaliser leaves it (an uncased one in small letters), with its own word start."""
    normalizer = source.backend.normalizer
    if normalizer is None:
        return letters
    always = normalizer.normalize_str("1").removesuffix("1")  # Llama's puts ▁ before every text
    changed: str = normalizer.normalize_str(letters).removeprefix(always)
    return changed if changed.startswith((" ", "▁")) or not letters.startswith(" ") else f" {changed}"


def _known(source: Vocabulary, written: str) -> list[int]:
    if not written:
        return []
    return [token.id for token in source.backend.model.tokenize(written) if not source.special[token.id]]


def _word_pieces(source: Vocabulary, letters: str) -> list[int]:
    """Return the tokens of each word (a normaliser may part Chinese characters); one without a space goes on."""
    found: list[int] = []
    for place, word in enumerate(letters.split()):
        inside = place == 0 and not letters.startswith(" ")
        found += _inside_word(source, word) if inside else _known(source, word)
    return found


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
