"""What translating lines costs, in tokens that a model reads."""

from pipeline.settings import Config
from stages.back_translate.settings import DrawnLines, FetchedBackTranslation, Seq2SeqBackTranslation
from stages.shared.decoding.settings import BeamSettings, DecodingSettings, MinimumBayesRiskSettings

LINE_TOKENS = 20
"""Of a line that is translated, a sentence of some words."""
WRITTEN = 5
"""Tokens that are read in the time in which one is written, a forward of its own over a few rows. With it a model of
135M parameters takes 2.5 s a line on two cores, as one did (docs/experiments.md)."""
BYTES_PER_TOKEN = 4.5
"""Of a prompt, which is in a language that its tokenizer knows."""


def prompted_line(config: Config) -> float:
    """Return the cost of one line that a decoder translates: its prompt, and as many tokens as it may write.

    A model that has not learnt to end a line writes to the limit.
    """
    asked = config.translation
    read = len(asked.prompt) / BYTES_PER_TOKEN + LINE_TOKENS
    written = asked.new_tokens_per_token * LINE_TOKENS + asked.new_tokens
    return _texts(asked.decoding) * (read + WRITTEN * written)


def back_translation_tokens(config: Config) -> float:
    """Return the cost of translating lines back, 0 where a file has them.

    A translation model ends a line where its translation ends.
    """
    given = config.back_translation
    if not isinstance(given, DrawnLines):
        return 0
    if isinstance(given, Seq2SeqBackTranslation):
        return given.lines * (LINE_TOKENS + given.beams * WRITTEN * LINE_TOKENS)
    return given.lines * prompted_line(config)


def translator_parameters(config: Config) -> int:
    """Return the size of what translates back: a model that is fetched, else the base model or a Hydra model of it."""
    given = config.back_translation
    return given.parameters if isinstance(given, FetchedBackTranslation) else config.base_model.parameters


def _texts(decoding: DecodingSettings) -> int:
    """Return how many texts are written at a time for each line."""
    if isinstance(decoding, BeamSettings):
        return decoding.beams
    return decoding.candidates if isinstance(decoding, MinimumBayesRiskSettings) else 1
