"""A run that is told to end before its first worker has begun."""

import os
import signal
import time
from threading import Timer

import psutil
import pytest

from pipeline import graph
from pipeline.config import load_config
from pipeline.errors import OutOfTime
from pipeline.runner import run_plan
from pipeline.sources import current_lock


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    config = load_config(["language=dutch", "experiment=smoke", f"machine.artifacts={tmp_path_factory.mktemp('made')}"])
    return config, [step for step in graph.adapt(config, current_lock(config)) if step.name == "tokenizer"]


@pytest.mark.parametrize(("number", "error"), [(signal.SIGUSR1, OutOfTime), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_while_the_libraries_are_imported_ends_the_run_at_once(planned, tmp_path, monkeypatch, number, error):
    (tmp_path / "torch.py").write_text("import time\ntime.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    config, steps = planned
    others = psutil.Process().children()  # that earlier tests have started, as wandb's
    timer, begun = Timer(1.0, os.kill, (os.getpid(), number)), time.monotonic()
    timer.start()
    with pytest.raises(error):
        run_plan(steps, config)
    assert time.monotonic() - begun < 60
    assert psutil.Process().children() == others
    assert not list(steps[0].work.glob("logs/*"))
