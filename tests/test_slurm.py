"""The chain on a real Slurm of one node: `make test-slurm`."""

import json
import subprocess
import sys
import time

import pytest
from smoke_chain import command
from training_step import artifact, losses, make_step, wait_for_steps

from pipeline import store
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


def state(job):
    """Return the job's state and how often it was started again."""
    shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True).stdout
    words = dict(word.split("=", 1) for word in shown.split() if "=" in word)
    return words["JobState"], int(words["Restarts"])


def test_a_signalled_training_of_two_processes_is_requeued_and_ends_as_if_nothing_had_happened(tmp_path):
    whole = make_step(tmp_path / "whole", processes=2)
    run_here = [sys.executable, "-m", "pipeline.worker", str(whole)]
    work = make_step(tmp_path / "artifacts", processes=2)
    log, script = tmp_path / "log", tmp_path / "job.sh"
    script.write_text(f"#!/bin/sh\nsrun --ntasks=1 {sys.executable} -m pipeline.worker {work}\n")
    submit = ["sbatch", "--parsable", "--requeue", "--ntasks=1", "--open-mode=append", f"--output={log}", str(script)]
    job = subprocess.run(submit, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    wait_for_steps(work, 20, lambda: state(job)[0] in ("PENDING", "RUNNING"))
    subprocess.run(["scancel", "--signal=USR1", job], check=True)
    subprocess.run(run_here, cwd=ROOT, check=True, capture_output=True)
    while store.read_manifest(artifact(work)) is None:
        assert state(job)[0] in ("PENDING", "RUNNING", "COMPLETING", "REQUEUED"), log.read_text()[-3000:]
        time.sleep(1)
    assert state(job)[1] == 1
    said = log.read_text()
    assert "training was stopped by SIGUSR1" in said
    assert f"Slurm job {job} was requeued" in said
    assert "going on after step" in said
    assert losses(artifact(work)) == pytest.approx(losses(artifact(whole)), abs=1e-5)
