"""Signals that come when there is no worker yet, and signals that nobody is to hear."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.errors import OutOfTime
from pipeline.ranks import RANK_METRICS, signals_handed_on
from pipeline.signals import relayed_signals
from stages.shared.interruption import noted_signals


def begin_late(ended: list[int]) -> None:
    """Begin a worker after a signal has come, and note how it ends."""
    with relayed_signals() as relay:
        os.kill(os.getpid(), signal.SIGTERM)
        process = subprocess.Popen(["sleep", "60"])
        relay.turn_to(process)
        ended.append(process.wait())


def signal_twice(ended: list[int | None]) -> None:
    """Send Ctrl-C, as a terminal also does to the worker, then a scheduler's signal; note how the worker ends."""
    process = subprocess.Popen(["sleep", "60"])
    with relayed_signals() as relay:
        relay.turn_to(process)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        ended.append(process.poll())
        os.kill(os.getpid(), signal.SIGUSR1)
        ended.append(process.wait())


def test_what_comes_before_the_worker_is_handed_to_it_when_it_is_there():
    ended = []
    with pytest.raises(KeyboardInterrupt):
        begin_late(ended)
    assert ended == [-signal.SIGTERM]


def test_only_a_schedulers_signal_is_told_to_a_worker_that_runs():
    ended = []
    with pytest.raises(OutOfTime):
        signal_twice(ended)
    assert ended == [None, -signal.SIGUSR1]


@pytest.mark.parametrize(
    "manager",
    [relayed_signals, noted_signals, lambda: signals_handed_on(subprocess.Popen(["true"]), True, Path(RANK_METRICS))],
    ids=["of a run", "of a stage", "of ranks"],
)
def test_a_terminals_end_that_nohup_has_ignored_stays_ignored(manager):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with manager():
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
