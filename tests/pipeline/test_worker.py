"""A worker that a scheduler's signal finds outside of its stage."""

import json
import os
import signal
from threading import Timer

import pytest
from training_step import artifact, make_step

from pipeline import lock, store, worker
from pipeline.errors import GO_ON


def test_a_signal_while_an_artifact_is_published_does_not_throw_it_away(tmp_path, monkeypatch):
    work, publish, heard = make_step(tmp_path / "artifacts", tokens=65), store.publish, []

    def signalled(*given):
        os.kill(os.getpid(), signal.SIGUSR1)
        publish(*given)

    monkeypatch.setattr(store, "publish", signalled)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    try:
        assert worker.main([str(work)]) == 0
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == []
    assert store.read_manifest(artifact(work)) is not None


@pytest.mark.timeout(60)
def test_a_signal_while_it_waits_for_anothers_lock_has_it_started_again(tmp_path, monkeypatch, capsys):
    (tmp_path / "step.json").write_text(
        json.dumps({"name": "adapted_model", "folder": str(tmp_path / "made"), "resumes": True})
    )
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("PATH", str(tmp_path))  # as in a container without Slurm

    def refuse(number, frame):
        raise AssertionError("the worker did not mind the signal")

    before = signal.signal(signal.SIGUSR1, refuse)
    timer = Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        with lock.hold(tmp_path / "lock", print):
            timer.start()
            assert worker.main([str(tmp_path)]) == GO_ON
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    said = capsys.readouterr().err
    assert "waiting for adapted_model" in said
    assert "Slurm job 17 is left to its script to requeue: there is no scontrol here" in said
