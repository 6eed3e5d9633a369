"""How the next token is chosen: the settings of conf/decoding, and what transformers is told."""

from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.section import Section


class GreedyDecoding(Section):
    """The likeliest token each time."""

    method: Literal["greedy"]


class BeamDecoding(Section):
    """The likeliest sequence among several that are kept at every step."""

    method: Literal["beam"]
    beams: Annotated[int, Field(ge=2)]
    length_penalty: float
    """Log-probability is divided by length to this power: above 0 it prefers longer sequences."""


DecodingSettings = Annotated[GreedyDecoding | BeamDecoding, Field(discriminator="method")]


def generation_options(decoding: GreedyDecoding | BeamDecoding) -> dict[str, Any]:
    """Return what transformers' GenerationConfig is given."""
    if isinstance(decoding, BeamDecoding):
        penalty = decoding.length_penalty
        return {"do_sample": False, "num_beams": decoding.beams, "length_penalty": penalty, "early_stopping": False}
    return {"do_sample": False, "num_beams": 1}


def sequences_at_once(decoding: GreedyDecoding | BeamDecoding) -> int:
    """Return how many sequences the model holds for one line."""
    return decoding.beams if isinstance(decoding, BeamDecoding) else 1
