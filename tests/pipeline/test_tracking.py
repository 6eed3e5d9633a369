"""Tracking: nothing where it is off, offline where there is no key or no server, and one run across a resume."""

import json
import os
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from execution_here import HERE
from wandb_records import offline, records, rows

from pipeline.provenance import ROOT
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


def test_without_wandb_a_training_goes_on_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)  # as Python has it for what cannot be imported
    assert isinstance(start_tracking(Execution(**WHERE, tracking=tmp_path / "wandb"), {}), NoTracker)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("note: nothing goes to Weights & Biases")
    assert "metrics.jsonl" in said


def track_one_step(folder, port):
    """Log a step to a server on this machine; return what is said of it. In a process: wandb reads variables once."""
    code = (
        "from pathlib import Path; from pipeline import tracking; from pipeline.stage import Execution;"
        "tracking.INIT_SECONDS = tracking.FINISH_SECONDS = 2.0;"
        f"execution = Execution(**{WHERE!r} | {{'tracking_group': 'dutch report'}}, tracking=Path('wandb').resolve());"
        "tracker = tracking.start_tracking(execution, {'tokens': 10});"
        "tracker.log(1, {'loss': 1.0}); tracker.finish()"
    )
    key = {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": f"http://127.0.0.1:{port}", "PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")} | key
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (note,) = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    return note


class Accepting(BaseHTTPRequestHandler):
    """A server that takes a run and is gone after that."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"]))) if self.path == "/graphql" else {}
        project = {"id": "1", "name": "test", "entity": {"id": "1", "name": "me"}}
        run = {"id": "1", "name": "test", "displayName": "test", "config": "{}", "project": project}
        answers = {
            "Viewer": {"viewer": {"id": "1", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}},
            "RunResumeStatus": {"model": {"bucket": None}},
            "UpsertBucket": {"upsertBucket": {"bucket": run, "inserted": True}},
        }
        answer = json.dumps({"data": answers.get(asked.get("operationName"), {})}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        if asked.get("operationName") == "UpsertBucket":
            self.server.accepted = asked["variables"]
            Thread(target=self.server.shutdown).start()

    def log_message(self, *_):
        pass


def test_a_server_that_is_gone_before_the_end_does_not_keep_a_training_from_ending(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Accepting) as server:
        serving = Thread(target=lambda: (server.serve_forever(), server.socket.close()))
        serving.start()
        note = track_one_step(tmp_path, server.server_port)
        serving.join()
    assert server.accepted["groupName"] == "dutch report"
    (kept,) = (tmp_path / "wandb" / "wandb").glob("run-*-test")
    assert note.endswith(f"`wandb sync --include-online {kept}` uploads the rest")
    assert [(row["step"], row["loss"]) for row in rows(kept)] == [(1, 1.0)]


def test_where_the_server_cannot_be_reached_a_run_is_kept_offline_and_says_how_to_upload_it(tmp_path):
    with socket.socket() as closed:  # bound, so that nobody else listens there
        closed.bind(("127.0.0.1", 0))
        note = track_one_step(tmp_path, closed.getsockname()[1])
    assert note.startswith("note: Weights & Biases: ")
    assert f"`wandb sync {tmp_path}/wandb/wandb`" in note
    (kept,) = (tmp_path / "wandb" / "wandb").glob("offline-run-*-test")  # the attempt has left one that it skips
    assert [(row["step"], row["loss"]) for row in rows(kept)] == [(1, 1.0)]


def test_without_a_key_a_run_is_kept_on_the_disk_and_goes_on_as_the_same(tmp_path, monkeypatch):
    offline(monkeypatch, tmp_path)
    labels = {"language": "dutch", "mapping": "a" * 65, "corpus": ["one", "two"]}
    told = {"tracking_name": "dutch adapted_model f35d01", "tracking_group": "dutch report", "tracking_labels": labels}
    execution = Execution(**WHERE | told, tracking=tmp_path / "wandb")
    for step in (1, 2):  # the second is the run resumed
        tracker = start_tracking(execution, {"tokens": 10})
        tracker.log(step, {"loss": 1.0})
        tracker.log_table(step, "samples", [{"prompt": "een huis", "continuation": "met een tuin"}])
        tracker.finish()
    runs = [run[0] for run in records(tmp_path / "wandb", "run")]
    assert len(runs) == 2
    assert [(run["run_id"], run["resume"]) for run in runs] == [("test", True)] * 2  # by which `wandb sync` joins them
    for run in runs:
        config = run["config"]["update"]
        assert labels.items() <= config.items()
        assert (config["tokens"], config["processes"], config["micro_batch"], config["device"]) == (10, 1, 1, "cpu")
        assert {"gpus", "commit", "dirty"} < config.keys()
        assert (run["display_name"], run["run_group"]) == (told["tracking_name"], told["tracking_group"])
        assert sorted(run["tags"]) == ["a" * 64, "dutch"]


def test_a_look_at_a_step_that_is_past_is_kept(tmp_path, monkeypatch):
    offline(monkeypatch, tmp_path)
    tracker = start_tracking(Execution(**WHERE, tracking=tmp_path / "wandb"), {})
    for step, values in ((4, {"loss": 1.0}), (5, {"loss": 0.5}), (4, {"held_out": 2.0}), (5, {"held_out": 3.0})):
        tracker.log(step, values)
    tracker.log_table(4, "samples", [{"prompt": "een huis", "continuation": "met een tuin"}])
    tracker.finish()
    seen = [(row["step"], row.get("loss"), row.get("held_out")) for row in rows(tmp_path / "wandb")]
    assert seen == [(4, 1.0, None), (5, 0.5, None), (4, None, 2.0), (5, None, 3.0), (4, None, None)]
    drawn = [metric for run in records(tmp_path / "wandb", "metric") for metric in run if "glob_name" in metric]
    assert [(metric["glob_name"], metric["step_metric"]) for metric in drawn] == [("*", "step")]
