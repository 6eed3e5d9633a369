"""SentencePiece BPE, and the same tokenizer for the `tokenizers` library."""

import io
import re
from collections.abc import Iterator
from typing import Any

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from pipeline.errors import UserError
from stages.shared.tokenizer_conventions import TokenizerConventions
from stages.train_tokenizer.settings import TokenizerSettings
from stages.train_tokenizer.training_text import lines

SPACE = "▁"
"""SentencePiece's stand-in for a space, U+2581."""
LONGEST_SENTENCE = 2**20
"""Bytes; SentencePiece skips longer lines without a word, and its own limit of 4192 would lose whole paragraphs."""


def train_sentencepiece(texts: Iterator[str], settings: TokenizerSettings, base: TokenizerConventions) -> bytes:
    """Return the trained model file.

    No dummy prefix: documents have many lines, of which it would mark only the first, and a text's first space would
    not survive decoding. Identity normalisation and kept spaces: whatever goes in comes out.
    Raises UserError where the text does not hold `vocabulary_size` tokens.
    """
    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=lines(texts),
            model_writer=model,  # a model_prefix would be written into the model
            model_type="bpe",
            vocab_size=settings.vocabulary_size,
            byte_fallback=True,
            split_digits=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            character_coverage=settings.character_coverage,
            max_sentencepiece_length=settings.max_token_characters,
            max_sentence_length=LONGEST_SENTENCE,
            num_threads=settings.threads,
            minloglevel=1,
            **reserved_pieces(base),
        )
    except RuntimeError as error:
        raise UserError(training_problem(str(error), settings.vocabulary_size)) from error
    return model.getvalue()


def training_problem(message: str, size: int) -> str:
    """Put what SentencePiece says of the vocabulary's size into the project's words."""
    largest = re.search(r"Vocabulary size too high .*<= (\d+)", message)
    if largest:
        return (
            f"tokenizer.vocabulary_size={size} is too large for the training text: the largest possible is "
            f"{largest[1]}. Set tokenizer.vocabulary_size to that or less, or add text."
        )
    if "smaller than required_chars" in message:
        return (
            f"tokenizer.vocabulary_size={size} is too small: special tokens, 256 byte tokens and the text's characters "
            "do not fit. Set a larger one, or a lower tokenizer.character_coverage."
        )
    return f"SentencePiece could not train a tokenizer of {size} tokens: {message}"


def reserved_pieces(base: TokenizerConventions) -> dict[str, Any]:
    """Return the trainer's options that keep the base model's special tokens, each once and in the order of its ids.

    SentencePiece wants an unknown piece, never used with byte fallback: the base model's own where it has no other
    role, else `<unk>`.
    """
    bos, eos, pad = base.role("bos_token"), base.role("eos_token"), base.role("pad_token")
    unk = base.role("unk_token")
    if unk in {None, bos, eos, pad}:
        unk = "<unk>"
    names = {"unk": unk, "bos": bos, "eos": eos if eos != bos else None, "pad": pad if pad not in {bos, eos} else None}
    order = list(base.special_tokens) + [unk] * (unk not in base.special_tokens)
    options: dict[str, Any] = {f"{name}_id": -1 for name, piece in names.items() if piece is None}
    for name, piece in names.items():
        if piece is not None:
            options |= {f"{name}_piece": piece, f"{name}_id": order.index(piece)}
    return options | {"control_symbols": [piece for piece in order if piece not in names.values()]}


def to_tokenizer(model: bytes) -> Tokenizer:
    """Return a tokenizer that gives the ids of the SentencePiece model."""
    processor = SentencePieceProcessor(model_proto=model)
    size = processor.get_piece_size()
    vocabulary = {processor.id_to_piece(number): number for number in range(size)}
    learned = [
        processor.id_to_piece(number)
        for number in range(size)
        if not (processor.is_control(number) or processor.is_byte(number) or processor.is_unknown(number))
    ]
    bpe = models.BPE(
        vocab=vocabulary,
        merges=merges(learned),
        unk_token=processor.id_to_piece(processor.unk_id()),
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    # No learned token has a space inside, so that a cut before each space changes no id; it makes encoding fast.
    if not any(SPACE in piece[1:] for piece in learned):
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(f"{SPACE}?[^{SPACE}]+|{SPACE}"), behavior="isolated")
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def merges(learned: list[str]) -> list[tuple[str, str]]:
    """Return the merge rules that SentencePiece applies, in order.

    SentencePiece joins any two neighbours whose string is a token, earliest token first.

    >>> merges(["ab", "abc", "a", "b", "c"])
    [('a', 'b'), ('ab', 'c')]
    """
    order = {piece: rank for rank, piece in enumerate(learned)}
    rules: list[tuple[str, str]] = []
    for piece in learned:
        cuts = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        pairs = [(left, right) for left, right in cuts if left in order and right in order]
        rules += sorted(pairs, key=lambda pair: (order[pair[0]], order[pair[1]]))
    return rules
