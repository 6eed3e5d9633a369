"""What fetch_translator sees of the configuration."""

from typing import Literal

from pipeline.section import Section
from stages.shared.translator_name import TranslatorName


class FetchTranslatorSettings(Section):
    """What fetch_translator sees."""

    model: TranslatorName
    revision: str
    """Commit of 40 hex digits; a branch such as `main` is resolved when it is fetched, and the commit noted."""
    kind: Literal["seq2seq", "causal"]
    """What it must be: an encoder and a decoder, or a decoder alone."""
