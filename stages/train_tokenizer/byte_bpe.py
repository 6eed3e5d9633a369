"""Byte-level BPE, trained with the `tokenizers` library."""

from collections.abc import Iterator

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pipeline.errors import UserError
from stages.train_tokenizer.base_tokenizer import BaseConventions
from stages.train_tokenizer.settings import TokenizerSettings


def train_byte_bpe(texts: Iterator[str], settings: TokenizerSettings, base: BaseConventions) -> Tokenizer:
    """Return the trained tokenizer: the base model's special tokens first, then the bytes, then the merges.

    Raises UserError where the text does not hold `vocabulary_size` tokens.
    """
    assert settings.min_frequency is not None, "checked by the settings"
    smallest = len(base.special_tokens) + 256
    if settings.vocabulary_size < smallest:
        raise UserError(
            f"tokenizer.vocabulary_size={settings.vocabulary_size} is too small: {len(base.special_tokens)} special "
            f"tokens and 256 byte tokens need at least {smallest}."
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary_size,
        min_frequency=settings.min_frequency,
        special_tokens=list(base.special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() < settings.vocabulary_size:
        raise UserError(
            f"tokenizer.vocabulary_size={settings.vocabulary_size} is too large for the training text: the largest "
            f"possible is {tokenizer.get_vocab_size()}. Set tokenizer.vocabulary_size to that or less, or add text."
        )
    return tokenizer
