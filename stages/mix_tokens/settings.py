"""What mix_tokens sees of the configuration."""

from typing import Annotated

from pydantic import Field

from pipeline.section import Section


class MixTokensSettings(Section):
    """How much of the training text is of the base model's language."""

    share: Annotated[float, Field(gt=0, lt=1)]
    """Of the training tokens, in the tokens that the budget is stated in."""
