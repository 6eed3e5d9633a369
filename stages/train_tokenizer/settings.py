"""What train_tokenizer sees of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from pipeline.section import Section


class SentencePieceSection(Section):
    """SentencePiece BPE with byte fallback."""

    kind: Literal["sentencepiece"]
    vocabulary_size: PositiveInt
    """Tokens in all, special and byte tokens included."""
    max_bytes: PositiveInt
    """UTF-8 bytes of training text at most; of a larger corpus an even sample of documents is read."""
    character_coverage: Annotated[float, Field(gt=0, le=1)]
    """Share of the text's characters that get a token of their own; the others are spelled in bytes."""
    max_token_characters: PositiveInt
    """Characters in one token at most."""
    threads: PositiveInt
    """Threads of the trainer. Part of the result: the trained model differs with it."""


class ByteBpeSection(Section):
    """Byte-level BPE, as in GPT-2, with every digit a token."""

    kind: Literal["byte_bpe"]
    vocabulary_size: PositiveInt
    """Tokens in all, special and byte tokens included."""
    max_bytes: PositiveInt
    """UTF-8 bytes of training text at most; of a larger corpus an even sample of documents is read."""
    min_frequency: PositiveInt
    """How often a pair must occur to be merged."""


TokenizerSection = Annotated[SentencePieceSection | ByteBpeSection, Field(discriminator="kind")]


class TrainTokenizerSettings(Section):
    """The tokenizer section alone: language and text come with the corpus."""

    tokenizer: TokenizerSection
