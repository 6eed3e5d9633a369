"""What pack_tokens sees of the configuration."""

from pydantic import PositiveInt

from pipeline.section import Section


class PackTokensSettings(Section):
    """How much text is packed, and in which order."""

    tokens: PositiveInt
    """Training tokens wanted; whole documents are taken until there are at least so many."""
    sequence_length: PositiveInt
    """Length of the training sequences, noted for the reader; the files are one unbroken row of tokens."""
    seed: int
    """Decides the order of the documents, which does not depend on the tokenizer."""
