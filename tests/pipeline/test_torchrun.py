"""The command that starts a parallel stage's processes, and how they are numbered and signalled on several nodes."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pipeline.errors import OutOfTime, UserError
from pipeline.processes import children
from pipeline.provenance import ROOT
from pipeline.ranks import RANK_STOPPED, launch_ranks
from pipeline.torchrun import FIRST_PORT, HANDED_ON, torchrun_command

TWO_NODES = """
while [ "${1#--}" != "$1" ]; do shift; done
SLURM_NODEID=1 "$@" & second=$!
SLURM_NODEID=0 "$@" & first=$!
wait $first && wait $second"""
"""srun for one task a node, of which that on the second node comes first."""
RANK = """
import os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
draft = folder / f"draft-{os.environ['RANK']}"
draft.write_text(" ".join(os.environ[name] for name in ("SLURM_NODEID", "MASTER_ADDR")))
draft.rename(folder / f"rank-{os.environ['RANK']}")
while not (folder / "end").exists():
    time.sleep(0.05)
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Return a function that makes this process a job's script on two nodes, with a program as srun."""

    def begin(srun):
        for name, lines in {"srun": srun, "scontrol": "echo localhost; echo other"}.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
            (tmp_path / name).chmod(0o755)
        given = {"SLURM_JOB_ID": "10123", "SLURM_JOB_NODELIST": "localhost,other", "SLURM_CPUS_PER_TASK": "32"}
        for name, value in (given | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}).items():
            monkeypatch.setenv(name, value)

    return begin


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None
        time.sleep(0.05)


def test_one_torchrun_a_node(job):
    alone = torchrun_command(4, 1, {})
    assert alone[:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert {"--nproc-per-node=4", "--standalone"} <= set(alone)
    job(TWO_NODES)
    together = torchrun_command(8, 2, os.environ)
    assert together[:3] == ["srun", "--nodes=2", "--ntasks=2"]
    assert {"--cpus-per-task=32", "--nproc-per-node=4", "--nnodes=2"} <= set(together)
    assert {"--master-addr=localhost", f"--master-port={FIRST_PORT + 123}"} <= set(together)


def test_several_nodes_outside_of_a_job_are_refused():
    with pytest.raises(UserError, match="this is no Slurm job"):
        torchrun_command(8, 2, {})


def test_the_first_node_has_the_first_process_and_no_signal_ends_torchrun(job, tmp_path):
    job(TWO_NODES)
    (tmp_path / "rank.py").write_text(RANK)
    command = [*torchrun_command(2, 2, os.environ), str(tmp_path / "rank.py"), str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT)
    ranks = [tmp_path / "rank-0", tmp_path / "rank-1"]
    try:
        wait_for(lambda: all(rank.exists() for rank in ranks), process)
        torchruns = children(process.pid)
        for receiver in [*torchruns, *(rank for torchrun in torchruns for rank in children(torchrun))]:
            for number in HANDED_ON:
                os.kill(receiver, number)
    finally:
        (tmp_path / "end").touch()
    assert process.wait() == 0
    assert [rank.read_text() for rank in ranks] == ["0 localhost", "1 localhost"]


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, UserError), (signal.SIGUSR1, OutOfTime)])
def test_only_a_schedulers_signal_to_the_worker_has_a_training_on_nodes_started_again(job, tmp_path, number, error):
    # srun would end its tasks at once of any signal but SIGUSR1, by which the processes save.
    saving = f"trap 'echo saved > {tmp_path}/{RANK_STOPPED}; exit 1' USR1"
    job(f"{saving}; touch {tmp_path}/begun; while :; do sleep 0.05; done")

    def send():
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(UserError) as raised:
        launch_ranks({"name": "adapted_model", "processes": 2, "nodes": 2}, tmp_path / "step.json")
    sender.join()
    assert (tmp_path / RANK_STOPPED).exists()
    assert type(raised.value) is error
    assert "saved" in str(raised.value)
