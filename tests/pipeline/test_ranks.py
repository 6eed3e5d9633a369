"""Signals to the process that waits for torchrun."""

import os
import signal
import subprocess

from pipeline.ranks import RANK_METRICS, signals_handed_on


def ended(tmp_path):
    """Return how a launcher that has no rank (any more) ends after a scheduler's signal to this process."""
    process = subprocess.Popen(["sleep", "0.2"])
    with signals_handed_on(process, True, tmp_path / RANK_METRICS) as received:
        os.kill(os.getpid(), signal.SIGUSR1)
        status = process.wait()
    assert received == [signal.SIGUSR1]
    return status


def test_torchrun_is_ended_before_its_ranks_begin_but_not_after_they_are_done(tmp_path):
    assert ended(tmp_path) == -signal.SIGKILL
    (tmp_path / RANK_METRICS).write_text("{}")
    assert ended(tmp_path) == 0, "what they did since the last checkpoint would be done again"
