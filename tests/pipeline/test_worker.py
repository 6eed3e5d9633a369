"""A worker between the end of its stage and the artifact's publication."""

import os
import signal

from training_step import artifact, make_step

from pipeline import store, worker


def test_a_signal_while_an_artifact_is_published_does_not_throw_it_away(tmp_path, monkeypatch):
    """By then the checkpoints are gone: the training would begin anew."""
    work, publish, heard = make_step(tmp_path / "artifacts", tokens=65), store.publish, []

    def signalled(folder, manifest):
        os.kill(os.getpid(), signal.SIGUSR1)
        publish(folder, manifest)

    monkeypatch.setattr(store, "publish", signalled)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    try:
        assert worker.main([str(work)]) == 0
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == []
    assert store.read_manifest(artifact(work)) is not None
