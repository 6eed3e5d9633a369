"""Workers forked from a process that has imported the libraries end as others do, and with it."""

import json
import os
import select
import signal
import subprocess
import time
from itertools import accumulate
from pathlib import Path

import psutil
import pytest
from training_step import artifact, losses, make_step

from pipeline import lock, store, warm_server
from pipeline import worker as cold
from pipeline.runner import OFFLINE
from pipeline.warm_workers import WarmWorker, WarmWorkers


@pytest.fixture(scope="module")
def warm():
    with WarmWorkers({**os.environ, **OFFLINE}) as workers:
        yield workers


@pytest.fixture
def fast(tmp_path):
    """The same without the libraries, which a worker that waits does not need."""
    libraries = tmp_path / "libraries"
    for name in warm_server.IMPORTED:
        for package in accumulate(name.split("."), lambda folder, part: f"{folder}/{part}"):
            (libraries / package).mkdir(parents=True)
            (libraries / package / "__init__.py").touch()
    with WarmWorkers({**os.environ, "PYTHONPATH": str(libraries)}) as workers:
        yield workers


def wait_for(process: WarmWorker, until=lambda: False) -> int | None:
    deadline = time.monotonic() + 120
    while process.poll() is None and not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process.returncode


def waiting_step(folder: Path) -> Path:
    """Write a step that waits for as long as the test holds its lock."""
    folder.mkdir(exist_ok=True)
    (folder / "step.json").write_text(json.dumps({"name": "text", "folder": str(folder / "made"), "resumes": False}))
    return folder / "step.json"


def start_waiting(workers: WarmWorkers, folder: Path) -> WarmWorker:
    log = folder.with_suffix(".log")
    process = workers.start(waiting_step(folder), log)
    assert process is not None
    assert wait_for(process, lambda: log.exists() and "waiting for text" in log.read_text()) is None
    return process


def test_a_training_is_the_same_as_in_a_process_of_its_own(warm, tmp_path):
    """One after another from the same server, with the same losses as here."""
    here, there, again = (make_step(tmp_path / name, tokens=65) for name in ("here", "there", "again"))
    assert cold.main([str(here)]) == 0
    for work in (there, again):
        process = warm.start(work / "step.json", work / "log")
        assert process is not None
        assert process.pid != os.getpid()
        assert wait_for(process) == 0, (work / "log").read_text()
        assert losses(artifact(work)) == losses(artifact(here))


def test_a_failure_is_told_in_the_log_and_by_the_status(warm, tmp_path):
    work = make_step(tmp_path / "artifacts", tokens=65)
    step = json.loads((work / "step.json").read_text())
    step["inputs"]["model"]["fingerprint"] = "another"
    store.write_json(work / "step.json", step)
    process = warm.start(work / "step.json", work / "log")
    assert process is not None
    assert wait_for(process) == 2
    assert "error: adapted_model needs model" in (work / "log").read_text()


def outlive(process, number):
    process.send_signal(number)
    time.sleep(0.3)
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it(warm, tmp_path, number):
    with lock.hold(tmp_path / "waiting" / "lock", print):
        process = start_waiting(warm, tmp_path / "waiting")
        process.send_signal(number)
        assert wait_for(process) == -number
    process.send_signal(number)  # to nobody


def test_it_ignores_a_schedulers_signal_and_ends_in_its_own_way_by_ctrl_c(warm, tmp_path):
    with lock.hold(tmp_path / "waiting" / "lock", print):
        process = start_waiting(warm, tmp_path / "waiting")
        outlive(process, signal.SIGUSR1)
        process.send_signal(signal.SIGINT)
        assert wait_for(process) != 0
    assert "KeyboardInterrupt" in (tmp_path / "waiting.log").read_text()


def test_workers_end_with_the_process_that_forks_them(fast, tmp_path):
    with lock.hold(tmp_path / "waiting" / "lock", print):
        process = start_waiting(fast, tmp_path / "waiting")
        worker = psutil.Process(process.pid)
        worker.parent().kill()
        assert wait_for(process) == -signal.SIGKILL
        assert psutil.wait_procs([worker], timeout=10)[1] == []
        assert fast.start(waiting_step(tmp_path / "other"), tmp_path / "log") is None


def test_a_signal_is_not_lost_on_a_worker_that_has_just_been_forked(fast, tmp_path):
    with lock.hold(tmp_path / "waiting" / "lock", print):
        for _ in range(20):
            process = fast.start(waiting_step(tmp_path / "waiting"), tmp_path / "log")
            process.send_signal(signal.SIGTERM)
            assert wait_for(process) == -signal.SIGTERM


def test_a_worker_ignores_what_the_run_was_started_to_ignore(tmp_path, request):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        fast = request.getfixturevalue("fast")
        assert fast.is_ready()
    finally:
        signal.signal(signal.SIGHUP, before)
    with lock.hold(tmp_path / "waiting" / "lock", print):
        process = start_waiting(fast, tmp_path / "waiting")
        outlive(process, signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert wait_for(process) == -signal.SIGTERM


def test_a_signal_that_comes_while_the_answer_is_read_does_not_take_it(monkeypatch):
    server = subprocess.Popen(["echo", "7"], stdout=subprocess.PIPE, bufsize=0)
    worker, look = WarmWorker(server.pid, server), select.select

    def signalled(*given):
        found = look(*given)
        monkeypatch.undo()
        worker.send_signal(signal.SIGUSR1)
        return found

    server.wait()  # so that there is nobody to be sent the signal
    monkeypatch.setattr(select, "select", signalled)
    assert worker.poll() == 7


def test_a_server_that_dies_before_it_is_asked_is_no_error(fast, tmp_path, monkeypatch):
    assert fast.is_ready()
    server = fast._begun()
    server.kill()
    server.wait()
    monkeypatch.setattr(server, "poll", lambda: None)  # as it was a moment ago
    assert fast.start(waiting_step(tmp_path / "step"), tmp_path / "log") is None


def test_without_the_libraries_there_is_none(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError")
    with WarmWorkers({**os.environ, "PYTHONPATH": str(tmp_path)}) as workers:
        assert workers.start(waiting_step(tmp_path / "step"), tmp_path / "log") is None
