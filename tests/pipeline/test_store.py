import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import lock, store
from pipeline.provenance import ROOT

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def make(scope: Path, recipe: dict | None = None) -> Path:
    recipe = recipe or {"stage": "ingest_corpus"}
    fingerprint = store.fingerprint(recipe)
    folder = scope / f"corpus-{fingerprint[: store.SHORT]}"
    target = store.prepare(folder, resumes=False)
    (target / "sub").mkdir()
    (target / "sub" / "file.txt").write_text("content")
    store.publish(folder, {"fingerprint": fingerprint, "recipe": recipe})
    return folder


@given(st.dictionaries(st.text(), JSON))
def test_a_fingerprint_does_not_depend_on_the_order_of_keys(recipe):
    turned = dict(reversed(recipe.items()))
    assert store.fingerprint(recipe) == store.fingerprint(turned)


@given(st.dictionaries(st.text(), JSON, min_size=1), st.data())
def test_a_fingerprint_changes_with_any_value(recipe, data):
    key = data.draw(st.sampled_from(sorted(recipe)))
    assert store.fingerprint(recipe) != store.fingerprint({**recipe, key: [recipe[key]]})


def test_what_json_cannot_hold_is_not_hashed():
    with pytest.raises(TypeError):
        store.fingerprint({"path": Path("x")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.fingerprint({"nan": float("nan")})


def test_a_folder_without_manifest_is_not_finished(tmp_path):
    folder = tmp_path / "corpus-0123"
    target = store.prepare(folder, resumes=False)
    (target / "train.parquet").write_text("half")
    assert store.read_manifest(folder) is None
    store.publish(folder, {"fingerprint": "f"})
    assert store.read_manifest(folder)["files"]["train.parquet"]["size"] == 4


def test_what_a_stage_goes_on_from_is_kept_until_all_else_is_safe_and_never_published(tmp_path, monkeypatch):
    folder = tmp_path / "adapted_model-0123456789ab"
    target = store.prepare(folder, resumes=True)
    (target / "checkpoints").mkdir()
    (target / "checkpoints" / "step-7").write_text("weights")
    (target / "model").write_text("made")

    def killed(path, sync):
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "file_sha256", killed)
    with pytest.raises(KeyboardInterrupt):
        store.publish(folder, {"fingerprint": "f"}, "checkpoints")
    monkeypatch.undo()
    assert (store.prepare(folder, resumes=True) / "checkpoints" / "step-7").read_text() == "weights"
    store.publish(folder, {"fingerprint": "f"}, "checkpoints")
    assert list(store.read_manifest(folder)["files"]) == ["model"]
    assert list(tmp_path.iterdir()) == [folder]
    assert sorted(path.name for path in folder.iterdir()) == [store.MANIFEST, "model"]


def test_what_cannot_resume_is_put_aside_and_kept(tmp_path):
    folder = tmp_path / "corpus-0123"
    for attempt in range(3):
        (store.prepare(folder, resumes=False) / "mark").write_text(str(attempt))
    assert (tmp_path / "corpus-0123.failed-1" / "mark").read_text() == "0"
    assert (tmp_path / "corpus-0123.failed-2" / "mark").read_text() == "1"
    assert (store.prepare(folder, resumes=True) / "mark").read_text() == "2"


@pytest.mark.parametrize("damage", ["truncate", "remove", "add", "same size"])
def test_verify_names_the_damaged_file(tmp_path, damage):
    folder = make(tmp_path)
    assert store.verify(folder) == []
    file = folder / "sub" / "file.txt"
    match damage:
        case "truncate":
            file.write_text("conte")
        case "remove":
            file.unlink()
        case "add":
            (folder / "sub" / "other.txt").write_text("x")
        case "same size":
            file.write_text("kontent")
    (problem,) = store.verify(folder)
    assert ("other.txt" if damage == "add" else "file.txt") in problem


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:50], "is damaged; remove"),
        (lambda text: text.replace("ingest_corpus", "ingest_bitext"), "its recipe is not the one"),
        (None, "no manifest"),
    ],
)
def test_verify_names_a_damaged_manifest(tmp_path, damage, said):
    folder = make(tmp_path)
    manifest = folder / store.MANIFEST
    if damage:
        manifest.write_text(damage(manifest.read_text()))
    else:
        manifest.unlink()
    (problem,) = store.verify(folder)
    assert said in problem
    assert str(folder) in problem


def test_a_final_name_without_manifest_stands_in_nobodys_way(tmp_path):
    folder = make(tmp_path)
    (folder / store.MANIFEST).unlink()
    assert make(tmp_path) == folder
    assert store.verify(folder) == []
    assert (tmp_path / f"{folder.name}.failed-1" / "sub" / "file.txt").exists()


def test_a_deletion_that_was_killed_can_be_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(store.shutil, "rmtree", lambda folder: None)
    store.remove(make(tmp_path))
    monkeypatch.undo()
    store.remove(make(tmp_path))
    (left,) = tmp_path.iterdir()
    store.remove(left)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_replaced_in_one_step(tmp_path):
    (tmp_path / "one").mkdir()
    store.replace_link(tmp_path / "latest", "one")
    store.replace_link(tmp_path / "latest", "two")
    assert (tmp_path / "latest").readlink() == Path("two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one"]


def test_writers_of_one_process_number_never_share_a_draft(tmp_path):
    path = tmp_path / "run.json"
    with store.replacing(path) as draft:
        draft.write_text("one")
        store.write_json(path, "another")
    assert path.read_text() == "one"
    with pytest.raises(ValueError, match="Out of range float"):
        store.write_json(path, float("nan"))
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]
    assert path.read_text() == "one"


def test_hard_links_count_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    os.link(tmp_path / "a", tmp_path / "b")
    assert store.folder_size(tmp_path) == 1000


HOLDER = """
import sys, time
from pathlib import Path
from pipeline import lock
counter = Path(sys.argv[2])
for _ in range(int(sys.argv[3])):
    with lock.hold(Path(sys.argv[1]), lambda owner: None):
        seen = int(counter.read_text())
        time.sleep(0.005)
        counter.write_text(str(seen + 1))
"""


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", *arguments], cwd=ROOT)


def test_two_processes_are_never_in_the_lock_at_once(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    running = [start(HOLDER, str(tmp_path / "lock"), str(counter), "10") for _ in range(4)]
    assert [process.wait(timeout=120) for process in running] == [0] * 4
    assert counter.read_text() == "40"
    assert [path.name for path in tmp_path.iterdir()] == ["counter"]


def test_the_lock_of_a_killed_process_is_taken_over_at_once(tmp_path):
    path = tmp_path / "lock"
    sleeper = "import sys, time; from pathlib import Path; from pipeline import lock\n"
    sleeper += "with lock.hold(Path(sys.argv[1]), print): time.sleep(600)"
    process = start(sleeper, str(path))
    while lock.holder(path) is None:
        time.sleep(0.05)
    assert lock.holder(path)["pid"] == process.pid
    process.kill()
    process.wait()
    assert lock.holder(path) is None
    started = time.monotonic()
    with lock.hold(path, lambda owner: None):
        assert lock.holder(path)["pid"] == os.getpid()
    assert time.monotonic() - started < 5


def test_the_one_who_waits_is_told_for_whom(tmp_path):
    path = tmp_path / "lock"
    told = []
    process = start(
        "import sys, time; from pathlib import Path; from pipeline import lock\n"
        "with lock.hold(Path(sys.argv[1]), print): time.sleep(1.5)",
        str(path),
    )
    while lock.holder(path) is None:
        time.sleep(0.02)
    with lock.hold(path, told.append):
        pass
    process.wait()
    assert [owner["pid"] for owner in told] == [process.pid]


def test_a_stopped_process_of_this_host_keeps_its_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "STALE_SECONDS", 0.5)
    path = tmp_path / "lock"
    sleeper = "import sys, time; from pathlib import Path; from pipeline import lock\n"
    sleeper += "with lock.hold(Path(sys.argv[1]), print): time.sleep(600)"
    process = start(sleeper, str(path))
    while lock.holder(path) is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGSTOP)
    time.sleep(1)
    assert lock.holder(path)["pid"] == process.pid
    waiting = threading.Thread(target=lambda: lock.hold(path, print).__enter__(), daemon=True)
    waiting.start()
    waiting.join(1.5)
    assert waiting.is_alive()
    process.kill()
    process.wait()
    waiting.join(5)
    assert not waiting.is_alive()


def test_a_lock_file_cut_off_by_a_power_loss_is_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "STALE_SECONDS", 1.0)
    path = tmp_path / "lock"
    path.write_text("")
    with lock.hold(path, print):
        assert lock.holder(path)["pid"] == os.getpid()


def test_a_silent_lock_of_another_host_is_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "STALE_SECONDS", 1.0)
    path = tmp_path / "lock"
    path.write_text('{"token": "t", "host": "elsewhere", "pid": 1, "born": 1, "job": null, "since": 0}')
    told = []
    with lock.hold(path, told.append):
        pass
    assert told[0]["host"] == "elsewhere"


def test_a_live_lock_of_another_machine_of_the_same_name_is_none_of_a_dead_process(tmp_path):
    path = tmp_path / "lock"
    with lock.hold(path, print):
        owner = json.loads(path.read_text()) | {"token": "t", "pid": 2**22 + 1, "born": 1}
    path.write_text(json.dumps(owner))
    assert lock.holder(path) is None
    path.write_text(json.dumps(owner | {"system": "another boot"}))
    assert lock.holder(path)["token"] == "t"


def test_a_link_of_which_only_the_answer_was_lost_is_ours(tmp_path, monkeypatch):
    link = os.link

    def lose_the_answer(*given):
        link(*given)
        raise FileExistsError

    monkeypatch.setattr(os, "link", lose_the_answer)
    told = []
    with lock.hold(tmp_path / "lock", told.append):
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert (told, list(tmp_path.iterdir())) == ([], [])
