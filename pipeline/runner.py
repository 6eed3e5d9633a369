"""Run the steps of a plan one after another, each in a worker process, and show what they say."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import STDOUT, Popen
from typing import BinaryIO

from pipeline import store
from pipeline.errors import GO_ON, UserError
from pipeline.plan import Step, step_file
from pipeline.provenance import ROOT
from pipeline.run_labels import tracked
from pipeline.settings import Config
from pipeline.signals import Relay, relayed_signals
from pipeline.warm_workers import WarmWorker, WarmWorkers

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
POLL_SECONDS = 0.1
GPU_DRIVER = Path("/dev/nvidiactl")


@dataclass(frozen=True)
class Outcome:
    """What running a plan came to: the steps made now and the ones that were there, with seconds."""

    made: list[Step]
    kept: list[Step]
    seconds: float


@dataclass(frozen=True)
class Ended:
    """How a worker ended: its exit status, negative for a signal, and its log."""

    status: int
    log: Path


def run_plan(steps: Sequence[Step], config: Config) -> Outcome:
    """Make what is not finished, in order.

    Raises UserError with the log's path when a step fails; what was finished before stays finished. A signal lets the
    worker end in its own way, and raises OutOfTime or KeyboardInterrupt.
    """
    started = time.monotonic()
    made: list[Step] = []
    kept: list[Step] = []
    with relayed_signals() as relay, WarmWorkers({**os.environ, **OFFLINE}) as warm:
        for number, step in enumerate(steps, 1):
            if step.finished:
                kept.append(step)
                continue
            print(f"[{number}/{len(steps)}] {step.name} -> {step.folder.name}", flush=True)
            run_step(step, config, warm, relay)
            made.append(step)
            print(f"        {brief(step)}", flush=True)
    return Outcome(made, kept, time.monotonic() - started)


def brief(step: Step) -> str:
    """Return a finished step's seconds and first figures."""
    manifest = store.read_manifest(step.folder) or {}
    numbers = {key: value for key, value in manifest.get("metrics", {}).items() if isinstance(value, int | float)}
    figures = "  ".join(
        f"{key}={value:,}" if isinstance(value, int) else f"{key}={value:.4g}"
        for key, value in list(numbers.items())[:6]
    )
    return f"{manifest.get('seconds', 0):.0f} s  {figures}"


def run_step(step: Step, config: Config, warm: WarmWorkers, relay: Relay) -> None:
    """Start the worker of one step with its own log, copy the log to the terminal, and wait for its end."""
    command = prepare_step(step, config)
    while (ended := _run_worker(step, config, command, warm, relay)).status == GO_ON:
        print(f"        {step.name} was stopped before its time limit; starting it again", flush=True)
    if ended.status != 0 or not step.finished:
        raise UserError(_failure(step, ended.status, ended.log))


def _run_worker(step: Step, config: Config, command: Sequence[str], warm: WarmWorkers, relay: Relay) -> Ended:
    if _may_be_forked(step, config):
        while not (warm.is_ready(POLL_SECONDS) or relay.received):
            pass  # `is_ready` has waited
    relay.end_if_told()
    log = step.work / "logs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    log.touch()
    with log.open("rb") as tail:
        process = _start(step, config, command, log, warm)
        relay.turn_to(process)
        while (status := process.poll()) is None:
            _copy(tail)
            time.sleep(POLL_SECONDS)
        _copy(tail)
    relay.end_if_told()
    return Ended(status, log)


def _start(step: Step, config: Config, command: Sequence[str], log: Path, warm: WarmWorkers) -> Popen | WarmWorker:
    """Start the worker, which writes to the log itself, not to a pipe: it does not end with this process."""
    if _may_be_forked(step, config) and (forked := warm.start(_step_file(step), log)):
        return forked
    environment = dict(os.environ) if step.stage.uses_network else {**os.environ, **OFFLINE}
    with log.open("ab") as sink:
        return Popen(command, stdout=sink, stderr=STDOUT, env=environment, cwd=ROOT)


def _may_be_forked(step: Step, config: Config) -> bool:
    """Whether a worker may have its libraries imported before.

    They are told at their import to be offline; and it may have looked for GPUs, which no forked process can use then.
    """
    on_gpu = step.stage.uses_gpus and GPU_DRIVER.exists()
    return not (step.stage.uses_network or on_gpu or config.launcher(step.stage.uses_gpus))


def _step_file(step: Step) -> Path:
    return step.work / "step.json"


def prepare_step(step: Step, config: Config) -> list[str]:
    """Write the step's file, mark the step as begun, and return the command of its worker."""
    logs = step.work / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    file = _step_file(step)
    execution = config.execution().model_copy(update={**tracked(step, config.run.labels), "logs": logs})
    store.write_json(file, step_file(step, execution, config.cluster.processes, config.cluster.nodes))
    (step.work / store.BEGUN).touch()
    return [*config.launcher(step.stage.uses_gpus), sys.executable, "-m", "pipeline.worker", str(file)]


def _copy(tail: BinaryIO) -> None:
    if data := tail.read():
        sys.stderr.buffer.write(data)
        sys.stderr.flush()


def _failure(step: Step, status: int, log: Path) -> str:
    if status < 0:
        how = f"was stopped by {signal.Signals(-status).name}"
        hint = " (out of memory?)" if -status == signal.SIGKILL else ""
        return f"{step.name} {how}{hint}; run the same command again to go on. Log: {log}"
    return f"{step.name} failed; the message above says why. Log: {log}"
