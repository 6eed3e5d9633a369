"""When a training saves: every so many seconds, and less often where a checkpoint takes long to write."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class SavingClock:
    """Knows when the next checkpoint is due; `begin` and `end` tell it of each."""

    seconds: float
    """From the end of one to the next, at least."""
    pause_factor: float
    """Times what the last one took, at least; of the first one nobody knows it."""
    now: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.began_at = self.ended_at = self.now()

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        pause = self.pause_factor * (self.ended_at - self.began_at)
        return self.now() - self.ended_at >= max(self.seconds, pause)

    def begin(self) -> None:
        """Note that a checkpoint is being written."""
        self.began_at = self.now()

    def end(self) -> None:
        """Note that it is written."""
        self.ended_at = self.now()
