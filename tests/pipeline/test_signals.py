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


def test_what_comes_before_the_worker_is_handed_to_it_when_it_is_there():
    with pytest.raises(KeyboardInterrupt), relayed_signals() as relay:
        os.kill(os.getpid(), signal.SIGTERM)
        process = subprocess.Popen(["sleep", "60"])
        relay.turn_to(process)
        assert process.wait() == -signal.SIGTERM


def test_only_a_schedulers_signal_is_told_to_a_worker_that_runs():
    process = subprocess.Popen(["sleep", "60"])
    with pytest.raises(OutOfTime), relayed_signals() as relay:
        relay.turn_to(process)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None
        os.kill(os.getpid(), signal.SIGUSR1)
        assert process.wait() == -signal.SIGUSR1


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
