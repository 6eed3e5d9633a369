"""Tracking: nothing where it is off, offline where there is no key, and one run across a resume."""

import subprocess
import sys

from execution_here import HERE

from pipeline.stage import Execution
from pipeline.tracking import NoTracker, start_tracking

WHERE = {name: value for name, value in HERE.items() if name != "tracking"} | {"downloads": "downloads"}


def test_off_means_that_wandb_is_not_even_imported():
    code = (
        "import sys; from pipeline.stage import Execution; from pipeline.tracking import start_tracking;"
        f"start_tracking(Execution(**{WHERE!r}, tracking=None), {{}}).log(1, {{'loss': 1.0}});"
        "assert 'wandb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_the_main_process_reports(tmp_path):
    execution = Execution(**WHERE, tracking=tmp_path / "wandb")
    assert isinstance(start_tracking(execution, {}, main_process=False), NoTracker)
    assert not (tmp_path / "wandb").exists()


def test_without_a_key_a_run_is_kept_on_the_disk(tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    execution = Execution(**WHERE, tracking=tmp_path / "wandb")
    for step in (1, 2):  # the second is the run resumed
        tracker = start_tracking(execution, {"tokens": 10})
        tracker.log(step, {"loss": 1.0})
        tracker.log_table(step, "samples", [{"prompt": "een huis", "continuation": "met een tuin"}])
        tracker.finish()
    assert len(list((tmp_path / "wandb").glob("**/*.wandb"))) == 2
