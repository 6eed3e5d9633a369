"""How a training is watched while it goes on, and which of its steps are left out."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline.section import Section


class SpikeSettings(Section):
    """Which finite losses are too high to learn from.

    A loss that stays as high is learnt from after about `window_steps / (1 + deviations ** 2)` steps left out.
    """

    deviations: PositiveFloat
    """Standard deviations above the mean of the window's losses."""
    window_steps: Annotated[int, Field(ge=4)]
    """The last steps with a finite loss; nothing is a spike before half of them are there."""


class SkippingSettings(Section):
    """When a step is left out: always where its loss or gradient is not finite."""

    most_in_a_row: PositiveInt
    """So many steps left out one after the other end the training."""
    spikes: SpikeSettings | None
    """null: a finite loss is never too high."""


class HeldOutSettings(Section):
    """The held-out text that is scored while training, for each language the same amount."""

    bytes: PositiveInt
    """UTF-8 bytes wanted; whole documents are taken in a seeded order until there are at least so many."""
    document_bytes: PositiveInt
    """A longer document counts with its first lines only."""
    seed: int
    """Decides the order of the documents."""


class WatchSettings(Section):
    """What is measured while the training goes on."""

    every_steps: PositiveInt
    """Optimizer steps between two looks; there is one before the first step and one after the last as well."""
    text: HeldOutSettings
    prompts: tuple[str, ...]
    """Beginnings in the target language that are continued at each look."""
    max_new_tokens: NonNegativeInt
    """Length of a continuation; 0 for none."""
