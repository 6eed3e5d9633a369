"""Signals as a wish to stop at the end of the step: SIGTERM, SIGINT, SIGHUP (the terminal was closed) and SIGUSR1."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread, main_thread
from types import FrameType

from pipeline.signals import heeded

TIME_IS_UP = signal.SIGUSR1
"""By which a scheduler says that its limit is near (`sbatch --signal=USR1@600`)."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, TIME_IS_UP)
ONE_WISH_SECONDS = 2.0
"""Within these the same signal may come several times: from the terminal, Slurm and the parent."""


@dataclass
class Interruption:
    """The first signal that came, None while there is none."""

    signal_name: str | None = None
    noted_at: float = 0.0
    """On the monotonic clock."""

    @property
    def wanted(self) -> bool:
        """Whether to stop."""
        return self.signal_name is not None

    @property
    def time_is_up(self) -> bool:
        """Whether it was a scheduler's signal, after which the training is started again."""
        return self.signal_name == TIME_IS_UP.name


@contextmanager
def noted_signals() -> Iterator[Interruption]:
    """Note the first of them instead of ending. A second Ctrl-C, some seconds later, has its usual effect.

    Other signals are only noted however often they come: Slurm sends them to every process of a step, and the parent
    hands them on as well.
    """
    noted = Interruption()
    if current_thread() is not main_thread():
        yield noted
        return

    before = {number: signal.getsignal(number) for number in heeded(SIGNALS)}

    def note(number: int, frame: FrameType | None) -> None:
        if noted.signal_name is None:
            noted.signal_name, noted.noted_at = signal.Signals(number).name, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - noted.noted_at > ONE_WISH_SECONDS:
            signal.default_int_handler(number, frame)

    for number in before:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            # What came once may come again while the process ends.
            signal.signal(number, signal.SIG_IGN if noted.time_is_up and number == TIME_IS_UP else handler)
