"""Byte-level BPE, trained with the `tokenizers` library."""

from collections.abc import Iterator

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pipeline.errors import UserError


def digits_then_bytes() -> pre_tokenizers.PreTokenizer:
    """Return GPT-2's pre-tokenizer with every digit cut off first, as in SmolLM."""
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def train_byte_level_bpe(
    texts: Iterator[str], vocabulary_size: int, min_frequency: int, special_tokens: tuple[str, ...], setting: str
) -> Tokenizer:
    """Return a tokenizer of special tokens, then the 256 bytes, then merges.

    Raises UserError, naming `setting`, where the text does not hold `vocabulary_size` tokens.
    """
    smallest = len(special_tokens) + 256
    if vocabulary_size < smallest:
        raise UserError(
            f"{setting}={vocabulary_size} is too small: {len(special_tokens)} special tokens and 256 byte tokens need "
            f"at least {smallest}."
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = digits_then_bytes()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=min_frequency,
        special_tokens=list(special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() < vocabulary_size:
        raise UserError(
            f"{setting}={vocabulary_size} is too large for the training text: the largest possible is "
            f"{tokenizer.get_vocab_size()}. Set {setting} to that or less, or add text."
        )
    return tokenizer
