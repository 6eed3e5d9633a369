"""The processes of a parallel stage: started by torchrun, and told of signals by the worker alone."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import OutOfTime, UserError
from pipeline.processes import children, die_with_parent
from pipeline.signals import heeded
from pipeline.stage import Metrics
from pipeline.torchrun import HANDED_ON, block_handed_on, torchrun_command

RANK_METRICS, RANK_STOPPED = "metrics.json", "out_of_time"
WORKER = "MOTHERTONGUE_WORKER"
"""Environment variable by which the ranks know their worker's host and process."""


def launch_ranks(step: dict[str, Any], step_path: Path) -> Metrics:
    """Run a step in several processes and return what the first says of it.

    Raises OutOfTime where they were stopped by a scheduler's signal, and UserError where one failed.
    """
    work = step_path.parent
    for stale in (work / RANK_STOPPED, work / RANK_METRICS):
        stale.unlink(missing_ok=True)
    command = torchrun_command(step["processes"], step["nodes"], os.environ)
    environment = {**os.environ, WORKER: f"{socket.gethostname()}:{os.getpid()}"}
    here = step["nodes"] == 1  # else it is srun that starts torchrun, on all nodes
    process = subprocess.Popen(
        [*command, "-m", "pipeline.worker", "--rank", str(step_path)],
        preexec_fn=_as_torchrun if here else die_with_parent,
        env=environment,
    )
    with signals_handed_on(process, here, work / RANK_METRICS) as received:
        status = process.wait()
    told = signal.Signals(received[0]) if received else None
    stopped = work / RANK_STOPPED
    where = stopped.read_text(encoding="utf-8") if stopped.exists() else "the log says where it stands"
    if status != 0 and told and told != signal.SIGUSR1:
        raise UserError(f"{step['name']} was stopped by {told.name}: {where}")
    if stopped.exists():
        raise OutOfTime(where)
    if status != 0 and told:
        raise OutOfTime(f"{step['name']} was stopped by SIGUSR1 before it had begun; the same command goes on")
    if status != 0:
        raise UserError(f"{step['name']} failed in one of its {step['processes']} processes; the log says where")
    return json.loads((work / RANK_METRICS).read_text(encoding="utf-8"))


def _as_torchrun() -> None:
    die_with_parent()
    block_handed_on()


@contextmanager
def signals_handed_on(launcher: subprocess.Popen, here: bool, metrics: Path) -> Iterator[list[int]]:
    """Give every rank the signals that come here, since whoever sends them may know this process only; list them.

    Ranks that are not all `here` get SIGUSR1 for any of them: what it was, the list alone says. A launcher without
    ranks is ended, as nothing has begun; but where `metrics` are there, all is done.
    """
    received: list[int] = []

    def hand_on(number: int, _frame: object) -> None:
        received.append(number)
        if not here:
            # srun hands it on to all nodes; told of another one it would kill all ranks before they have saved.
            launcher.send_signal(signal.SIGUSR1)
            return
        ranks = children(launcher.pid)
        for rank in ranks:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(rank, number)
        if not ranks and not metrics.exists():
            launcher.kill()

    before = {number: signal.signal(number, hand_on) for number in heeded(HANDED_ON)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def begin_rank() -> None:
    """Bind this rank's life to its worker's, and let the signals through that torchrun has blocked."""
    die_with_parent()
    host, _, worker = os.environ[WORKER].rpartition(":")
    if host == socket.gethostname():
        os.kill(int(worker), 0)  # ProcessLookupError where it ended before the line above
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)
