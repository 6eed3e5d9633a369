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


def test_a_corpus_is_curated_by_an_array_of_jobs_and_a_killed_one_is_replaced(tmp_path):
    common = ["machine.tracking=false", "corpus.reading.shard_bytes=9000"]
    array = ["cluster.array.memory_gb=null", "cluster.array.minutes=5", 'cluster.array.setup=["sleep 2"]']
    local, slurm = tmp_path / "local", tmp_path / "slurm"
    subprocess.run(command(local, *common, name="corpus"), cwd=ROOT, check=True, capture_output=True)
    on_slurm = command(slurm, *common, *CLUSTER, *array, name="corpus")
    started = subprocess.Popen(on_slurm, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not (found := [job for job in jobs() if "_" in job and "[" not in job]):
        assert started.poll() is None, started.stderr.read()
        time.sleep(0.1)
    subprocess.run(["scancel", "--signal=KILL", "--full", found[0]], check=True)
    _, said = started.communicate(timeout=600)
    assert started.returncode == 0, said[-3000:]
    one, other = (json.loads((folder / "dutch" / "latest" / "corpus.json").read_text()) for folder in (local, slurm))
    assert one == other
    assert one["ids"]["input"] == one["ids"]["kept"] + one["ids"]["dropped"] > 50
