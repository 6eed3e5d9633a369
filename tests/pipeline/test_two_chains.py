"""The same chain submitted from two terminals at once; a queue of a few lines of shell stands for Slurm's."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from pipeline import chain, graph, runs
from pipeline.config import load_config
from pipeline.plan import unique
from pipeline.sources import current_lock

SBATCH = """#!/bin/sh
for option; do case "$option" in --job-name=*) echo "${option#*=}" >> "$QUEUE";; esac; done
wc -l < "$QUEUE"
"""
SQUEUE = """#!/bin/sh
awk '{ print NR "|PENDING|None||N/A|" $0 }' "$QUEUE"
sleep 0.3
"""
"""Sleeps when it has looked: the other terminal looks meanwhile, and sees as little."""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    for name, script in (("sbatch", SBATCH), ("squeue", SQUEUE)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    file = tmp_path / "queue"
    file.touch()
    monkeypatch.setenv("QUEUE", str(file))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return file


def test_two_terminals_submit_each_job_once(queue, tmp_path, capsys):
    config = load_config(
        ["language=dutch", "experiment=smoke", "cluster=slurm", f"machine.artifacts={tmp_path / 'artifacts'}"]
    )
    plan, together = graph.adapt(config, current_lock(config)), Barrier(2)
    for step in unique([plan]):  # as if submitted before, so that both have to ask the queue
        step.work.mkdir(parents=True)
        (step.work / "job.json").write_text('{"job": "1000", "name": "gone", "log": "log", "after": []}')

    def submit(_):
        together.wait()
        return chain.carry_out([plan], config)

    with ThreadPoolExecutor(2) as terminals:
        assert list(terminals.map(submit, range(2))) == [None, None]
    names = [*(step.folder.name for step in unique([plan])), f"finish-{runs.run_folder(plan).name}"]
    assert sorted(queue.read_text().splitlines()) == sorted(names)
    said = capsys.readouterr()
    assert f"Submitted {len(names) - 1} jobs.\n" in said.out
    assert f"Submitted 0 jobs, {len(names) - 1} were in the queue already.\n" in said.out
    assert "is submitting jobs too; waiting for it" in said.err
