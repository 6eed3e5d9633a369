"""Signals while a run waits for its workers: which of them it heeds, and how a worker hears of them."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from pipeline.errors import OutOfTime

NOTED = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)
RELAYED = (signal.SIGTERM, signal.SIGUSR1)
"""The others reach a worker from the terminal, as one of its process group."""


class Signalled(Protocol):
    """A process that may be sent signals; it has ended, or it has not."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal, unless it has ended."""


class Relay:
    """Keeps the signals that come, and hands them on to the worker of the moment."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._worker: Signalled | None = None

    def note(self, number: int, _frame: object) -> None:
        """Be the handler of a signal."""
        self.received.append(number)
        if self._worker is not None and number in RELAYED:
            self._worker.send_signal(number)

    def turn_to(self, worker: Signalled) -> None:
        """Hand signals on to a worker from now on, and all that came since `end_if_told`, before it was there."""
        self._worker = worker
        for number in tuple(self.received):
            worker.send_signal(number)

    def end_if_told(self) -> None:
        """Raise OutOfTime where a scheduler's signal has come, KeyboardInterrupt where another one has."""
        if signal.SIGUSR1 in self.received:
            raise OutOfTime("a scheduler's SIGUSR1 stopped the run; the same command goes on from here")
        if self.received:
            raise KeyboardInterrupt


def heeded(numbers: Iterable[signal.Signals]) -> list[signal.Signals]:
    """Return the signals without those that this process was started to ignore, as `nohup` has it with SIGHUP."""
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def relayed_signals() -> Iterator[Relay]:
    """Keep signals for workers instead of ending; at the end, raise what `Relay.end_if_told` raises."""
    relay = Relay()
    before = {number: signal.signal(number, relay.note) for number in heeded(NOTED)}
    try:
        yield relay
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    relay.end_if_told()
