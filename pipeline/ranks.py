"""The processes of a parallel stage: started by torchrun, and told of signals by the worker alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import OutOfTime, UserError
from pipeline.processes import children, die_with_parent
from pipeline.stage import Metrics

RANK_METRICS, RANK_STOPPED = "metrics.json", "out_of_time"
WORKER = "MOTHERTONGUE_WORKER"
"""Environment variable by which the ranks know their worker's process."""
HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


def launch_ranks(step: dict[str, Any], step_path: Path) -> Metrics:
    """Run a step in several processes and return what the first says of it.

    Raises OutOfTime where they were stopped by a scheduler's signal, and UserError where one failed.
    """
    work = step_path.parent
    (work / RANK_STOPPED).unlink(missing_ok=True)
    # torchrun on CPU too: `accelerate launch --cpu --num_processes 2` silently starts one process. It is to handle no
    # signal but SIGQUIT: of others it would give the ranks 30 seconds to save, and of SIGUSR1 it would die.
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--signals-to-handle=SIGQUIT"]
    count = f"--nproc_per_node={step['processes']}"
    command = [*torchrun, count, "-m", "pipeline.worker", "--rank", str(step_path)]
    environment = {**os.environ, WORKER: str(os.getpid())}
    process = subprocess.Popen(command, preexec_fn=_as_torchrun, env=environment)
    with _signals_handed_on(process) as received:
        status = process.wait()
    if (work / RANK_STOPPED).exists():
        raise OutOfTime((work / RANK_STOPPED).read_text(encoding="utf-8"))
    if status != 0 and signal.SIGUSR1 in received:
        raise OutOfTime(f"{step['name']} was stopped by SIGUSR1 before it had begun; the same command goes on")
    if status != 0:
        raise UserError(f"{step['name']} failed in one of its {step['processes']} processes; the log says where")
    return json.loads((work / RANK_METRICS).read_text(encoding="utf-8"))


def _as_torchrun() -> None:
    die_with_parent()
    # Blocked rather than ignored: ranks inherit either, and what comes before they are ready is kept for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)


@contextmanager
def _signals_handed_on(torchrun: subprocess.Popen) -> Iterator[list[int]]:
    """Give every rank the signals that come here, since whoever sends them may know this process only; list them."""
    received: list[int] = []

    def hand_on(number: int, _frame: object) -> None:
        received.append(number)
        ranks = children(torchrun.pid)
        for rank in ranks:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(rank, number)
        if not ranks:  # nothing has begun
            torchrun.kill()

    before = {number: signal.signal(number, hand_on) for number in HANDED_ON}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def begin_rank() -> None:
    """Bind this rank's life to its worker's, and let the signals through that torchrun has blocked."""
    die_with_parent()
    os.kill(int(os.environ[WORKER]), 0)  # ProcessLookupError where it ended before the line above
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)
