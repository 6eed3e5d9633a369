"""The chain on a real Slurm: `make test-slurm`; CI leaves the slow ones, whole chains, out."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from smoke_chain import command, hashes
from training_step import artifact, losses, make_step, wait_for_steps

from pipeline import store
from pipeline.jobs import job_lines, submit_job
from pipeline.local_config import hydra_value
from pipeline.provenance import ROOT

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(2400)]

CLUSTER = [
    "cluster=slurm",
    "cluster.device=cpu",
    "cluster.slurm.cpu.cpus=1",
    "cluster.slurm.gpu.cpus=1",
    "cluster.slurm.cpu.memory_gb=1",
    "cluster.slurm.gpu.memory_gb=1",
    "cluster.slurm.gpu.gres=null",
]
BROKEN = 'case "$SLURM_JOB_NAME" in tokenizer-*) echo "module gcc/99 is not there"; exit 3;; esac'


def jobs():
    """Return the numbers of this checkout's jobs: others may use the same Slurm."""
    listed = subprocess.run(["squeue", "--noheader", "--format=%i %Z"], capture_output=True, text=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.split()[1] == str(ROOT)]


def run(artifacts, *more, name="adapt"):
    done = subprocess.run(command(artifacts, *CLUSTER, *more, name=name), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def states(artifacts):
    """Return each step's state as `make status` shows it, and what it says besides."""
    shown = run(artifacts, name="status")
    rows = [[cell.strip() for cell in line.split("│")[1:5]] for line in shown.splitlines() if line.startswith("│")]
    return {row[0]: (row[2], row[3]) for row in rows}, shown


def wait_for(condition, seconds=1800):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(1)
    return found


@pytest.mark.slow
def test_a_failed_job_cancels_what_needs_it_and_the_next_chain_ends_as_a_local_run(finished, tmp_path):
    assert "Submitted 19 jobs." in run(tmp_path, f"cluster.slurm.setup={hydra_value([BROKEN])}")
    wait_for(lambda: not jobs())
    found, shown = states(tmp_path)
    assert found["evaluation_source"][0] == "finished"  # it does not need the tokenizer
    assert found["tokenizer"][0] == "failed"
    assert "FAILED" in found["tokenizer"][1]
    assert found["adapted_model"][0] == found["report"][0] == "cancelled"
    assert "tokenizer failed: the log says why. Log: " in shown
    assert "    module gcc/99 is not there" in shown
    assert "The same command as before goes on with what is missing" in shown

    again = run(tmp_path)
    assert "jobs." in again
    assert "Submitted 19" not in again
    assert "Submitted 0 jobs, " in run(tmp_path)
    found, _ = states(tmp_path)
    assert found["tokenizer"][0] in ("queued", "running", "finished")
    assert found["report"] == ("queued", found["report"][1])
    assert "PENDING (Dependency)" in found["report"][1]
    wait_for((tmp_path / "dutch" / "latest").exists)  # nobody but the last job makes it
    assert hashes(tmp_path) == hashes(finished[0])
    assert {state for state, _ in states(tmp_path)[0].values()} == {"finished"}


@pytest.mark.slow
def test_a_training_on_two_nodes_and_a_lost_bookkeeping_made_up_by_status(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, symlinks=True, dirs_exist_ok=True)
    more = ["cluster.processes=2", "cluster.slurm.nodes=2", "training.tokens=3000", "evaluation.baselines=[]"]
    said = run(tmp_path, *more, "cluster.slurm.wait=true")
    assert "report" in said
    (model,) = (
        manifest
        for path in tmp_path.glob("dutch/adapted_model-*/manifest.json")
        if (manifest := json.loads(path.read_text()))["metrics"]["tokens"] < 4000
    )
    assert model["metrics"]["processes"] == 2
    latest = tmp_path / "dutch" / "latest"
    folder = latest.resolve()
    for link in [latest, *(path for path in folder.iterdir() if path.is_symlink())]:
        link.unlink()
    assert "Finished " in run(tmp_path, *more, name="status")
    assert latest.resolve() == folder
    assert (folder / "results.json").exists()


def test_a_corpus_is_curated_by_an_array_of_jobs_and_a_killed_one_is_replaced(tmp_path):
    common = ["machine.tracking=false", "corpus.reading.shard_bytes=9000"]
    array = ["cluster.array.memory_gb=null", "cluster.array.minutes=5"]
    local, slurm = tmp_path / "local", tmp_path / "slurm"
    subprocess.run(command(local, *common, name="corpus"), cwd=ROOT, check=True, capture_output=True)
    on_slurm = command(slurm, *common, *CLUSTER, *array, "cluster.slurm.wait=true", name="corpus")
    started = subprocess.Popen(on_slurm, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not list(slurm.glob("dutch/corpus-*/checkpoints/curated/*.draft-*")):
        assert started.poll() is None, started.stderr.read()
        time.sleep(0.01)
    running = [job for job in jobs() if "_" in job and "[" not in job]
    subprocess.run(["scancel", "--signal=KILL", "--full", *running], check=True)
    _, said = started.communicate(timeout=1800)
    assert started.returncode == 0, said[-3000:]
    logs = "".join(path.read_text() for path in slurm.glob("dutch/steps/corpus-*/logs/*.log"))
    assert re.search(r"a job died \(out of memory\?\); [1-9]\d* shards are left", logs), logs[-3000:]
    one, other = (json.loads((folder / "dutch" / "latest" / "corpus.json").read_text()) for folder in (local, slurm))
    assert one == other
    assert one["ids"]["input"] == one["ids"]["kept"] + one["ids"]["dropped"] > 50


WORKER = [sys.executable, "-m", "pipeline.worker"]
FEW = 8_000
"""Tokens of a training of 250 steps: the signal comes after the twentieth."""


def state(job):
    """Return the job's state and how often it was started again."""
    shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True).stdout
    words = dict(word.split("=", 1) for word in shown.split() if "=" in word)
    return words["JobState"], int(words["Restarts"])


def submit_training(work, nodes):
    """Submit a step as `make adapt` does; return its job and the job's log."""
    lines = job_lines([], {}, [*WORKER, str(work)], resumes=True)
    submitted = submit_job(work, work.name, lines, [f"--nodes={nodes}", "--ntasks-per-node=1"], [])
    return submitted.job, Path(submitted.log)


@pytest.mark.parametrize("nodes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_signalled_training_of_two_processes_is_requeued_and_ends_as_if_nothing_had_happened(tmp_path, nodes):
    whole = make_step(tmp_path / "whole", tokens=FEW)
    work = make_step(tmp_path / "artifacts", processes=2, tokens=FEW, nodes=nodes)
    job, log = submit_training(work, nodes)
    wait_for_steps(work, 20, lambda: state(job)[0] in ("PENDING", "RUNNING"))
    # As `--signal=B:USR1@600` does before the time limit: to the script's shell alone.
    subprocess.run(["scancel", "--batch", "--signal=USR1", job], check=True)
    subprocess.run([*WORKER, str(whole)], cwd=ROOT, check=True, capture_output=True)
    while store.read_manifest(artifact(work)) is None:
        assert state(job)[0] in ("PENDING", "RUNNING", "COMPLETING", "REQUEUED"), log.read_text()[-3000:]
        time.sleep(1)
    assert state(job)[1] == 1
    said = log.read_text()
    assert "training was stopped by SIGUSR1" in said
    assert f"Slurm job {job} was requeued" in said
    assert "going on after step" in said
    assert losses(artifact(work)) == pytest.approx(losses(artifact(whole)), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [[], ["--batch", "--signal=TERM"], ["--signal=TERM"]], ids=["all", "script", "step"]
)
def test_a_training_of_two_nodes_saves_when_it_is_to_end_and_is_not_requeued(tmp_path, options):
    work = make_step(tmp_path / "artifacts", processes=2, nodes=2)
    job, log = submit_training(work, 2)
    wait_for_steps(work, 20, lambda: state(job)[0] in ("PENDING", "RUNNING"))
    subprocess.run(["scancel", *options, job], check=True)
    wait_for(lambda: job not in jobs(), seconds=120)
    (checkpoint,) = artifact(work).with_name(f"{work.name}.unfinished").glob("checkpoints/step-*")
    said = log.read_text()
    assert f"it is saved in {checkpoint.parent}" in said
    assert "adapted_model was stopped by SIGTERM" in said or options == ["--signal=TERM"]  # the worker was not told
    assert "death signal" not in said  # by torchrun, which then ends what has not saved within 30 seconds
    assert state(job) in [("CANCELLED", 0), ("FAILED", 0)]
