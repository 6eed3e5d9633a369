import json
from pathlib import Path

from pipeline import commands, lock, runs, store


def artifact(artifacts: Path, role: str, fingerprint: str) -> Path:
    folder = artifacts / "dutch" / f"{role}-{fingerprint[: store.SHORT]}"
    (store.prepare(folder, resumes=False) / "file.txt").write_text("content")
    store.publish(folder, {"fingerprint": fingerprint})
    return folder


def used_by_a_run(artifacts: Path, **fingerprints: str) -> None:
    folder = artifacts / "dutch" / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"fingerprints": fingerprints}))


def test_gc_removes_what_no_run_uses_and_nothing_else(tmp_path):
    used, unused = artifact(tmp_path, "corpus", "a" * 64), artifact(tmp_path, "corpus", "b" * 64)
    used_by_a_run(tmp_path, corpus="a" * 64, adapted_model="c" * 64)
    resumable = store.prepare(tmp_path / "dutch" / f"adapted_model-{'c' * 12}", resumes=True)
    abandoned = store.prepare(tmp_path / "dutch" / f"adapted_model-{'d' * 12}", resumes=True)
    failed = tmp_path / "dutch" / f"{used.name}.failed-1"
    failed.mkdir()
    live = store.prepare(tmp_path / "dutch" / f"adapted_model-{'e' * 12}", resumes=True)
    foreign = tmp_path / "dutch" / "my-notes"
    foreign.mkdir()
    work = tmp_path / "dutch" / "steps" / f"adapted_model-{'e' * 12}"
    work.mkdir(parents=True)
    with lock.hold(work / "lock", print):
        assert runs.garbage(tmp_path) == sorted([unused, abandoned, failed])
        assert commands.gc(tmp_path, apply=False) == 0
        assert unused.exists()
        assert commands.gc(tmp_path, apply=True) == 0
    assert [folder for folder in (unused, abandoned, failed) if folder.exists()] == []
    assert all(folder.exists() for folder in (used, resumable, live, foreign))
    assert runs.garbage(tmp_path) == [live]
