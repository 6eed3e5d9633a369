import json
from pathlib import Path

import pytest

from pipeline import commands, lock, runs, store
from pipeline.errors import UserError

UNUSED, USED, RESUMABLE, ABANDONED, LIVE = ({"number": number} for number in range(5))


def named(artifacts: Path, role: str, recipe: dict) -> Path:
    folder = artifacts / "dutch" / f"{role}-{store.fingerprint(recipe)[: store.SHORT]}"
    (artifacts / "dutch" / store.STEPS / folder.name).mkdir(parents=True, exist_ok=True)
    return folder


def artifact(artifacts: Path, recipe: dict) -> Path:
    folder = named(artifacts, "corpus", recipe)
    (store.prepare(folder, resumes=False) / "file.txt").write_text("content")
    store.publish(folder, {"fingerprint": store.fingerprint(recipe), "recipe": recipe})
    return folder


def used_by_a_run(artifacts: Path, *recipes: dict) -> Path:
    file = artifacts / "dutch" / "runs" / "one" / "run.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"fingerprints": {str(recipe): store.fingerprint(recipe) for recipe in recipes}}))
    return file


def test_gc_removes_what_no_run_uses_and_nothing_else(tmp_path):
    used, unused = artifact(tmp_path, USED), artifact(tmp_path, UNUSED)
    used_by_a_run(tmp_path, USED, RESUMABLE)
    resumable = store.prepare(named(tmp_path, "adapted_model", RESUMABLE), resumes=True)
    abandoned = store.prepare(named(tmp_path, "adapted_model", ABANDONED), resumes=True)
    live = store.prepare(named(tmp_path, "adapted_model", LIVE), resumes=True)
    failed, deleting = (used.with_name(f"{used.name}.{end}") for end in ("failed-1", "deleting-0a1b"))
    foreign = [tmp_path / "dutch" / "my-notes", tmp_path / "projects" / "thesis-1.0", tmp_path / "tools" / unused.name]
    for folder in (failed, deleting, *foreign):
        folder.mkdir(parents=True)
    work = named(tmp_path, "adapted_model", LIVE).parent / store.STEPS / live.name.partition(".")[0]
    with lock.hold(work / "lock", print):
        assert [one.folder for one in runs.garbage(tmp_path)] == sorted([unused, abandoned, failed, deleting])
        assert commands.gc(tmp_path, apply=False) == 0
        assert unused.exists()
        assert commands.gc(tmp_path, apply=True) == 0
    assert [folder for folder in (unused, abandoned, failed, deleting) if folder.exists()] == []
    assert all(folder.exists() for folder in (used, resumable, live, *foreign))
    assert [one.folder for one in runs.garbage(tmp_path)] == [live]


def test_gc_spares_what_a_run_uses_that_begins_meanwhile(tmp_path, monkeypatch, capsys):
    used, unused = artifact(tmp_path, USED), artifact(tmp_path, UNUSED)
    size, begun = store.folder_size, []

    def begin_a_run(folder):
        if not begun:
            begun.append(used_by_a_run(tmp_path, USED))
        return size(folder)

    monkeypatch.setattr(store, "folder_size", begin_a_run)
    assert commands.gc(tmp_path, apply=True) == 0
    assert [folder.exists() for folder in (used, unused)] == [True, False]
    assert f"keeping {used}" in capsys.readouterr().out


def test_a_damaged_run_is_named_before_anything_is_removed(tmp_path):
    artifact(tmp_path, USED)
    file = used_by_a_run(tmp_path, USED)
    file.write_text("{")
    with pytest.raises(UserError, match=r"run\.json is damaged"):
        runs.garbage(tmp_path)


def test_du_and_verify_of_a_folder_that_is_not_there_yet(tmp_path, capsys):
    assert commands.du(tmp_path / "none") == 0
    assert commands.verify(tmp_path / "none") == 0
    assert "0 artifacts" in capsys.readouterr().out
