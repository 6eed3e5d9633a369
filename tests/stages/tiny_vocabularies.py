"""Tiny tokenizers of the three kinds, and tables, for tests of alignment and mapping."""

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from stages.shared.token_text import LETTER_OF_BYTE, Vocabulary, byte_level_token, load_vocabulary

SPECIAL = ("<unk>", "<s>", "</s>")


def make(folder: Path, style: str, words: list[str], special: tuple[str, ...] = SPECIAL) -> Path:
    """Save a tokenizer whose tokens stand for `words` (a space before it: starts a word), in the order given."""
    tokens = [*special, *(written(word, style) for word in words)]
    if style == "byte_level":
        tokens += [letter for _, letter in sorted(LETTER_OF_BYTE.items())]
    elif style == "sentencepiece":
        tokens += ["▁", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = {token: row for row, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = {"byte_level": byte_level, "sentencepiece": sentencepiece, "wordpiece": wordpiece}[style](vocabulary)
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    named = {role: token for role, token in names.items() if token in special}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)
    fast.save_pretrained(folder)
    return folder


def load(folder: Path, style: str, words: list[str], special: tuple[str, ...] = SPECIAL) -> Vocabulary:
    return load_vocabulary(make(folder, style, words, special))


def written(word: str, style: str) -> str:
    if style == "byte_level":
        return byte_level_token(word.encode())
    if style == "sentencepiece":
        return word.replace(" ", "▁")
    return word.strip() if word.startswith(" ") else f"##{word}"


def byte_level(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sentencepiece(vocabulary: dict[str, int]) -> Tokenizer:
    # A unigram model finds the longest pieces without a list of merges.
    scores = [(token, -1.0 - 0.001 * row) for token, row in vocabulary.items()]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def wordpiece(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def write_lines(path: Path, rows: list[tuple[str, str, float]]) -> Path:
    """Write a table of (source unit, target unit, count)."""
    lines = (f"{source}\t{target}\t-1.0\t{count}\n" for source, target, count in rows)
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
    return path
