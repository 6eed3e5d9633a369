"""Run one step in a process of its own: `python -m pipeline.worker STEP.json`, or the folder that holds it.

Needs the standard library and pydantic besides what the stage itself imports. Holds the step's lock from before it
looks whether the artifact is there until it is published, so that two runs never write the same artifact.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import lock, store
from pipeline.errors import GO_ON, OutOfTime, UserError
from pipeline.provenance import provenance, stage_digest
from pipeline.ranks import RANK_METRICS, RANK_STOPPED, begin_rank, launch_ranks
from pipeline.stage import CHECKPOINTS, Execution, Metrics, stage_function

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(arguments: list[str]) -> int:
    """Run the step of a file or of the folder that holds it; with `--rank` as one of several processes of a step."""
    step_path = Path(arguments[-1])
    if step_path.is_dir():
        step_path = step_path / "step.json"
    step = json.loads(step_path.read_text(encoding="utf-8"))
    try:
        if arguments[0] == "--rank":
            _run_rank(step, step_path.parent)
        else:
            _run_locked(step, step_path)
    except OutOfTime as error:
        return GO_ON if arguments[0] == "--rank" else _requeue(str(error))
    except UserError as error:
        return _fail(str(error))
    except Exception as error:  # libraries in Rust and C++ tell of a full disk by exceptions of their own
        if not _is_full_disk(error):
            raise
        return _fail(f"no space left to write {step['folder']}. Free some (`make du`, `make gc`) and run again")
    return 0


def _is_full_disk(error: BaseException) -> bool:
    codes = [error.errno] if isinstance(error, OSError) else []
    return any(code in NO_SPACE for code in codes) or os.strerror(errno.ENOSPC) in str(error)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr, flush=True)
    return 2


def _run_locked(step: dict[str, Any], step_path: Path) -> None:
    work, folder = step_path.parent, Path(step["folder"])
    # Outermost: a job that waits for another one's lock is to be requeued as well, and must not fail its dependents.
    with _minding_the_time(step), lock.hold(work / "lock", lambda owner: _tell_wait(step, owner)) as check_lock:
        if store.read_manifest(folder) is not None:
            print(f"{folder.name} was finished by another process", file=sys.stderr)
            return
        _check_inputs(step)
        store.prepare(folder, step["resumes"])
        started = time.time()
        metrics = launch_ranks(step, step_path) if step["processes"] > 1 else run_stage(step)
        _let_finish()
        manifest = _manifest(step, metrics, started)
        check_lock()
        store.publish(folder, manifest, CHECKPOINTS)
        (work / store.BEGUN).unlink(missing_ok=True)


def _tell_wait(step: dict[str, Any], owner: dict[str, Any]) -> None:
    job = f", job {owner['job']}" if owner["job"] else ""
    print(f"waiting for {step['name']}: process {owner['pid']} on {owner['host']}{job} is making it", file=sys.stderr)


def _check_inputs(step: dict[str, Any]) -> None:
    for name, given in step["inputs"].items():
        manifest = store.read_manifest(Path(given["folder"]))
        if manifest is None or manifest["fingerprint"] != given["fingerprint"]:
            raise UserError(f"{step['name']} needs {name} at {given['folder']}, which is not finished; run it first")


def run_stage(step: dict[str, Any]) -> Metrics:
    """Validate the settings again, call the stage's function on its unfinished folder and return its metrics."""
    run = stage_function(step["stage"])
    try:
        settings = typing.get_type_hints(run)["settings"].model_validate_json(json.dumps(step["settings"]))
    except ValidationError as error:  # planning has checked them, but a local file may have changed since
        raise UserError("; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())) from None
    inputs = {name: Path(given["folder"]) for name, given in step["inputs"].items()}
    return run(settings, inputs, store.unfinished(Path(step["folder"])), Execution(**step["execution"]))


def _run_rank(step: dict[str, Any], work: Path) -> None:
    try:
        with _minding_the_time(step):
            begin_rank()
            metrics = run_stage(step)
    except OutOfTime as error:
        # torchrun has one exit status for all that ends its processes.
        (work / RANK_STOPPED).write_text(str(error), encoding="utf-8")
        raise
    _let_finish()
    if os.environ["RANK"] == "0":
        store.write_json(work / RANK_METRICS, metrics)


@contextmanager
def _minding_the_time(step: dict[str, Any]) -> Iterator[None]:
    """Have a scheduler's SIGUSR1 end a stage that can go on later, wherever it is; another one runs till the limit."""

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # Slurm and the worker may both send it
        raise OutOfTime(f"{step['name']} was stopped by {signal.Signals(number).name}; the same command goes on")

    before = signal.signal(signal.SIGUSR1, end if step["resumes"] else signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def _let_finish() -> None:
    """Ignore a scheduler's SIGUSR1 from now on: to publish takes less than to go on from the last checkpoint."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def _requeue(reason: str) -> int:
    """Have Slurm start this job again; return the exit status by which others know that it should be."""
    print(reason, file=sys.stderr, flush=True)
    if job := os.environ.get("SLURM_JOB_ID"):
        # Slurm refuses for a job without a script, as of `srun` alone; then the status tells whoever waits for it.
        try:
            done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
            said = "was requeued" if done.returncode == 0 else f"could not be requeued: {done.stderr.strip()}"
        except FileNotFoundError:  # in a container
            said = "is left to its script to requeue: there is no scontrol here"
        print(f"Slurm job {job} {said}", file=sys.stderr, flush=True)
    return GO_ON


def _manifest(step: dict[str, Any], metrics: Metrics, started: float) -> dict[str, Any]:
    return {
        "name": step["name"],
        "artifact": step["makes"],
        "stage": step["stage"],
        "fingerprint": step["fingerprint"],
        "recipe": step["recipe"],
        "inputs": {name: {"fingerprint": given["fingerprint"]} for name, given in step["inputs"].items()},
        "metrics": metrics,
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - started, 1),
        "stage_digest": stage_digest(step["stage"]),
        **provenance(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
