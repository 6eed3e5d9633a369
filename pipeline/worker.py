"""Run one step in a process of its own: `python -m pipeline.worker STEP.json`.

Needs the standard library and pydantic besides what the stage itself imports. Holds the step's lock from before it
looks whether the artifact is there until it is published, so that two runs never write the same artifact.
"""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import lock, store
from pipeline.errors import UserError
from pipeline.processes import die_with_parent
from pipeline.provenance import provenance, stage_digest
from pipeline.stage import Execution, Metrics, stage_function
from pipeline.torchrun import torchrun_command

RANK_METRICS = "metrics.json"
WORKER = "MOTHERTONGUE_WORKER"
"""Environment variable by which the ranks know their worker's host and process."""
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(arguments: list[str]) -> int:
    """Run the step file named last; with `--rank` as one of several processes that the first of them started."""
    step_path = Path(arguments[-1])
    step = json.loads(step_path.read_text(encoding="utf-8"))
    try:
        if arguments[0] == "--rank":
            _run_rank(step, step_path.parent)
        else:
            _run_locked(step, step_path)
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
    with lock.hold(work / "lock", lambda owner: _tell_wait(step, owner)) as check_lock:
        if store.read_manifest(folder) is not None:
            print(f"{folder.name} was finished by another process", file=sys.stderr)
            return
        _check_inputs(step)
        store.prepare(folder, step["resumes"])
        started = time.time()
        metrics = _launch(step, step_path) if step["processes"] > 1 else run_stage(step)
        manifest = _manifest(step, metrics, started)
        check_lock()
        store.publish(folder, manifest)
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


def _launch(step: dict[str, Any], step_path: Path) -> Metrics:
    torchrun = torchrun_command(step["processes"], step["nodes"], os.environ)
    command = [*torchrun, "-m", "pipeline.worker", "--rank", str(step_path)]
    environment = {**os.environ, WORKER: f"{socket.gethostname()}:{os.getpid()}"}
    status = _wait(subprocess.Popen(command, preexec_fn=die_with_parent, env=environment))
    if status != 0:
        raise UserError(f"{step['name']} failed in one of its {step['processes']} processes; the log says where")
    return json.loads((step_path.parent / RANK_METRICS).read_text(encoding="utf-8"))


def _wait(process: subprocess.Popen) -> int:
    """Wait for torchrun, which hands a SIGTERM that comes here on to its processes; Ctrl-C reaches them by itself."""
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate()), signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


def _run_rank(step: dict[str, Any], work: Path) -> None:
    die_with_parent()
    host, _, worker = os.environ[WORKER].rpartition(":")
    if host == socket.gethostname():
        os.kill(int(worker), 0)  # ProcessLookupError where it ended before the line above
    metrics = run_stage(step)
    if os.environ["RANK"] == "0":
        store.write_json(work / RANK_METRICS, metrics)


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
