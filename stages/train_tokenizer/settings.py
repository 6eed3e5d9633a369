"""What train_tokenizer sees of the configuration."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from pipeline.section import Section

KNOBS = {
    "sentencepiece": ("character_coverage", "max_token_characters", "threads"),
    "byte_bpe": ("min_frequency",),
}


class TokenizerSettings(Section):
    """The new vocabulary."""

    kind: Literal["sentencepiece", "byte_bpe"]
    """SentencePiece BPE with byte fallback, or byte-level BPE as in GPT-2."""
    vocabulary_size: PositiveInt
    """Tokens in all, special and byte tokens included."""
    max_bytes: PositiveInt
    """UTF-8 bytes of training text at most; of a larger corpus an even sample of documents is read."""
    character_coverage: Annotated[float, Field(gt=0, le=1)] | None
    """sentencepiece: share of the text's characters that get a token of their own; the others are spelled in bytes."""
    max_token_characters: PositiveInt | None
    """sentencepiece: characters in one token at most."""
    threads: PositiveInt | None
    """sentencepiece: threads of the trainer. Part of the result: the trained model differs with it."""
    min_frequency: PositiveInt | None
    """byte_bpe: how often a pair must occur to be merged."""

    @model_validator(mode="after")
    def _knobs_belong_to_the_kind(self) -> Self:
        problems = []
        for kind, names in KNOBS.items():
            for name in names:
                if (getattr(self, name) is None) == (kind == self.kind):
                    problems.append(f"{name} must {'be set' if kind == self.kind else 'be null'} for kind {self.kind}")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class TrainTokenizerSettings(Section):
    """The tokenizer section alone: language and text come with the corpus."""

    tokenizer: TokenizerSettings
