"""The chain on a real Slurm of one node: `make test-slurm`."""

import json
import subprocess
import time

import pytest
from smoke_chain import command

from pipeline.provenance import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(900)]

CLUSTER = [
    "cluster=slurm",
    "cluster.device=cpu",
    'cluster.launch_cpu=[srun,"--ntasks=1"]',
    'cluster.launch_gpu=[srun,"--ntasks=1"]',
]


def jobs():
    return subprocess.run(["squeue", "--noheader", "--format=%i"], capture_output=True, text=True).stdout.split()


def test_every_stage_is_a_job_and_a_cancelled_one_is_run_again(tmp_path):
    started = subprocess.Popen(command(tmp_path, *CLUSTER), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not jobs():
        assert started.poll() is None, started.stderr.read()
        time.sleep(0.1)
    for job in jobs():
        subprocess.run(["scancel", job], check=True)
    _, said = started.communicate(timeout=300)
    assert started.returncode != 0
    assert "Log: " in said

    done = subprocess.run(command(tmp_path, *CLUSTER), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads((tmp_path / "dutch" / "latest" / "results.json").read_text())
    assert len(results["systems"]) == 5
