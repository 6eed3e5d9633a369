"""A training stopped by a signal to any of its processes saves at one step, and goes on in any number of them."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from training_step import artifact, losses, make_step, wait_for_steps, with_processes

from pipeline.errors import GO_ON
from pipeline.processes import children
from pipeline.provenance import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}


def worker(work, **environment):
    command = [sys.executable, "-m", "pipeline.worker", str(work)]
    return subprocess.Popen(command, cwd=ROOT, env={**CLEAN, **environment}, stderr=subprocess.PIPE, text=True)


def finish(process):
    said = process.communicate(timeout=600)[1]
    return process.returncode, said


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    work = make_step(tmp_path_factory.mktemp("whole") / "artifacts")
    status, said = finish(worker(work))
    assert status == 0, said
    return artifact(work)


def ranks_of(process):
    (torchrun,) = children(process.pid)
    return children(torchrun)


@pytest.mark.parametrize(
    ("number", "receivers", "status"),
    [
        (signal.SIGUSR1, lambda process: [process.pid], GO_ON),
        (signal.SIGUSR1, lambda process: ranks_of(process)[1:], GO_ON),
        (signal.SIGUSR1, lambda process: [*ranks_of(process), *children(process.pid), process.pid], GO_ON),
        (signal.SIGTERM, lambda process: [*ranks_of(process), *children(process.pid), process.pid], 2),
        (signal.SIGINT, lambda process: [process.pid], 2),
    ],
    ids=["USR1 to the worker", "USR1 to one rank", "USR1 to all", "TERM to all", "INT to the worker"],
)
def test_all_ranks_save_at_one_step_and_one_or_four_go_on(tmp_path, uninterrupted, number, receivers, status):
    work = make_step(tmp_path / "artifacts", processes=2)
    process = worker(work)
    wait_for_steps(work, 20, lambda: process.poll() is None)
    for pid in receivers(process):
        os.kill(pid, number)
    ended, said = finish(process)
    assert ended == status, said[-3000:]
    unfinished = artifact(work).with_name(f"{work.name}.unfinished")
    (checkpoint,) = (unfinished / "checkpoints").iterdir()
    assert f"stopped by {number.name}" in said
    assert "failed in one of" not in said
    for processes in (1, 4) if number == signal.SIGTERM else (2,):
        with_processes(work, processes)
        kept = tmp_path / "kept"
        shutil.copytree(unfinished, kept, dirs_exist_ok=True)
        ended, said = finish(worker(work))
        assert ended == 0, said[-3000:]
        assert f"going on after step {int(checkpoint.name.removeprefix('step-'))} of" in said
        assert losses(artifact(work)) == pytest.approx(losses(uninterrupted), abs=1e-5)
        shutil.rmtree(artifact(work))
        kept.rename(unfinished)


def test_a_signal_before_the_first_step_is_not_lost(tmp_path):
    work = make_step(tmp_path / "artifacts", processes=2)
    process = worker(work)
    while not children(process.pid) or not ranks_of(process):
        assert process.poll() is None
    process.send_signal(signal.SIGUSR1)  # the ranks have hardly begun
    ended, said = finish(process)
    assert ended == GO_ON, said[-3000:]


def test_slurm_is_asked_to_start_the_job_again(tmp_path):
    (tmp_path / "bin").mkdir()
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/asked"\n')
    scontrol.chmod(0o755)
    work = make_step(tmp_path / "artifacts")
    process = worker(work, SLURM_JOB_ID="17", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    wait_for_steps(work, 20, lambda: process.poll() is None)
    process.send_signal(signal.SIGUSR1)
    ended, said = finish(process)
    assert ended == GO_ON, said[-3000:]
    assert (tmp_path / "asked").read_text() == "requeue 17\n"
    assert "Slurm job 17 was requeued" in said
