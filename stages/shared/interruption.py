"""SIGTERM, SIGINT and SIGHUP (the terminal was closed) as a wish to stop at the end of the step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread, main_thread
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class Interruption:
    """The first signal that came, None while there is none."""

    signal_name: str | None = None


@contextmanager
def noted_signals() -> Iterator[Interruption]:
    """Note the first of them instead of ending; the second has its usual effect."""
    noted = Interruption()
    if current_thread() is not main_thread():
        yield noted
        return

    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        noted.signal_name = signal.Signals(number).name
        restore()

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        restore()
