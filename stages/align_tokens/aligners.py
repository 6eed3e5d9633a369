"""The aligners by the method that settings name: sentences in, two lexicons out."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from stages.align_tokens import fast_align, thot
from stages.align_tokens.lexicon import Lexicons
from stages.align_tokens.settings import (
    AlignerSettings,
    EflomalSettings,
    FastAlignBinarySettings,
    FastAlignSettings,
    ThotFastAlignSettings,
)
from stages.align_tokens.word_units import SentencePairs


class Train(Protocol):
    """Trains on pairs, with temporary files below `scratch`; `both`: the direction P(source | target) too."""

    def __call__(self, pairs: SentencePairs, *, both: bool, scratch: Path) -> Lexicons:
        """Return P(target | source), and the reverse where it is asked for."""


class Aligner(NamedTuple):
    """An aligner with its settings."""

    check: Callable[[], None]
    """Raises UserError where it cannot run here."""
    train: Train


def aligner(settings: AlignerSettings) -> Aligner:
    """Return the aligner that the settings name.

    fast_align updates its table once less than its iterations, and the counts are those of the last but one: so two
    less here, and the E-step.
    """
    match settings:
        case FastAlignSettings():
            train = partial(fast_align.train_systran, updates=settings.iterations - 2)
            return Aligner(fast_align.check_installed, train)
        case FastAlignBinarySettings():
            program = partial(fast_align.train_program, settings.program, updates=settings.iterations - 2)
            return Aligner(lambda: None, program)
        case ThotFastAlignSettings() | EflomalSettings():
            return Aligner(thot.check_installed, partial(thot.train_thot, settings.own()))
    raise TypeError(f"no aligner for {type(settings).__name__}")
