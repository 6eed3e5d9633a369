"""What a user sees when the machine, not the program, is at fault."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from smoke_chain import command

from pipeline import store
from pipeline.provenance import ROOT

SMALL_DISK = ("unshare", "--map-root-user", "--mount")

# The runner's own way to start a step, without the check of the free disk that would refuse before.
RUN_BASE_MODEL = """
import sys
from pathlib import Path
from pipeline import graph
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.runner import run_plan
from pipeline.sources import current_lock

config = load_config(["language=dutch", "experiment=smoke", f"machine.artifacts={sys.argv[1]}"])
try:
    run_plan(graph.adapt(config, current_lock(config))[:1], config)
except UserError as error:
    sys.exit(f"error: {error}")
"""


def adapt(artifacts: Path, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        command(artifacts, *more),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def can_mount() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*SMALL_DISK, "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="this machine gives no mount namespaces")
def test_a_full_disk_is_named_and_nothing_is_taken_as_finished(tmp_path):
    script = f'mount -t tmpfs -o size=300k tmpfs "{tmp_path}" && exec "$@" && ls -R "{tmp_path}"'
    mounted = [*SMALL_DISK, "sh", "-c", script, "sh", sys.executable, "-c", RUN_BASE_MODEL, str(tmp_path)]
    done = subprocess.run(mounted, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert "make gc" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not can_mount(), reason="this machine gives no mount namespaces")
def test_a_plan_that_cannot_fit_is_refused_before_it_starts(tmp_path):
    script = f'mount -t tmpfs -o size=300k tmpfs "{tmp_path}" && exec "$@"'
    mounted = [*SMALL_DISK, "sh", "-c", script, "sh", *command(tmp_path)]
    done = subprocess.run(mounted, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "GB of disk" in done.stderr
    assert "conf/local.yaml" in done.stderr


def test_an_artifact_folder_that_cannot_be_one_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = subprocess.run(command(tmp_path / "file"), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert str(tmp_path / "file") in done.stderr
    assert "machine.artifacts" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_the_worker_and_the_next_run_goes_on(tmp_path):
    process = adapt(tmp_path)
    while not list(tmp_path.glob("shared/steps/*/lock")):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on from here" in said
    assert not list(tmp_path.glob("shared/steps/*/lock"))
    assert not list(store.final_artifacts(tmp_path))


def ranks(artifacts) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(artifacts) in " ".join(process.cmdline()) and "--rank" in process.cmdline():
                found.append(process)
    return found


def test_no_training_process_outlives_its_worker(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, symlinks=True, dirs_exist_ok=True)
    more = ["cluster.processes=2", "training.tokens=200000", "evaluation.baselines=[]"]
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = adapt(tmp_path, *more)
        deadline = time.monotonic() + 200
        while len(ranks(tmp_path)) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (forking,) = psutil.Process(process.pid).children()
        (worker,) = forking.children()
        worker.kill() if number == signal.SIGKILL else process.terminate()
        process.wait(timeout=60)
        gone = time.monotonic() + 5
        while ranks(tmp_path):
            assert time.monotonic() < gone
            time.sleep(0.1)
