"""Shards: made once each, whatever dies; the same in one process, in several, and as Slurm jobs."""

import os
import signal
import subprocess
import sys
import time

import pytest
from execution_here import here

from pipeline import shards as module
from pipeline.errors import UserError
from pipeline.provenance import ROOT
from pipeline.shards import make_shard, run_shards
from pipeline.stage import ArraySettings

IMPORTED = ":".join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "pipeline")))
"""Where other processes find this module and what it imports."""


def execution(folder, workers=1, array=None):
    return here(downloads=folder, workers=workers, array=array)


def write(text, out):
    (out / "text").write_text(text)


def write_but_once(given, out):
    """Die the first time that a shard called `dies` is made."""
    text, died = given
    if text == "dies" and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    write(text, out)


def die(_given, _out):
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(given, _out):
    raise UserError(f"no such thing: {given}")


def read(folder):
    return {path.parent.name: path.read_text() for path in sorted(folder.glob("*/text")) if not path.parent.suffix}


@pytest.mark.parametrize("workers", [1, 2])
def test_makes_what_is_missing(tmp_path, workers):
    shards = {tmp_path / "made" / name: name.upper() for name in "abc"}
    (tmp_path / "made" / "b").mkdir(parents=True)
    (tmp_path / "made" / "b" / "text").write_text("was there")
    run_shards(write, shards, execution(tmp_path, workers), "test")
    assert read(tmp_path / "made") == {"a": "A", "b": "was there", "c": "C"}


def test_a_killed_process_is_replaced(tmp_path):
    names = ["a", "dies", "b", "c"]
    shards = {tmp_path / "made" / name: (name, tmp_path / "died") for name in names}
    run_shards(write_but_once, shards, execution(tmp_path, 2), "test")
    assert (tmp_path / "died").exists()
    assert read(tmp_path / "made") == {name: name for name in sorted(names)}


def test_what_kills_every_process_is_named(tmp_path):
    shards = {tmp_path / "made" / name: name for name in "ab"}
    with pytest.raises(UserError, match=r"2 shards were not made, a among them.*lower cluster\.workers"):
        run_shards(die, shards, execution(tmp_path, 2), "test")
    assert read(tmp_path / "made") == {}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_users_error_comes_through(tmp_path, workers):
    shards = {tmp_path / "made" / name: name for name in "ab"}
    with pytest.raises(UserError, match=r"no such thing: [ab]"):
        run_shards(refuse, shards, execution(tmp_path, workers), "test")
    assert read(tmp_path / "made") == {}


def test_no_process_outlives_a_killed_run(tmp_path):
    program = """if True:
        import sys, time
        from pathlib import Path
        from test_shards import execution, forever
        from pipeline.shards import run_shards
        if __name__ == "__main__":
            here = Path(sys.argv[1])
            run_shards(forever, {here / name: here for name in "ab"}, execution(here, 2), "test")
    """
    (tmp_path / "program.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": IMPORTED}
    running = subprocess.Popen([sys.executable, tmp_path / "program.py", tmp_path], env=environment)
    while len(found := list(tmp_path.glob("*.pid"))) < 2:
        assert running.poll() is None
        time.sleep(0.05)
    running.kill()
    running.wait()
    deadline = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{path.stem}") for path in found):  # noqa: PTH110
        assert time.monotonic() < deadline
        time.sleep(0.05)


def forever(given, _out):
    (given / f"{os.getpid()}.pid").touch()
    time.sleep(300)


def refuse_while_the_other_writes(given, out):
    """The one refuses when the other, which never ends, has begun."""
    name, begun = given
    if name == "writes":
        write(str(os.getpid()), out)
        (out / "text").rename(begun)
        time.sleep(20)
        return
    while not begun.exists():
        time.sleep(0.02)
    refuse(name, out)


def test_no_process_writes_on_when_an_error_lets_the_lock_go(tmp_path):
    shards = {tmp_path / "made" / name: (name, tmp_path / "begun") for name in ("refuses", "writes")}
    with pytest.raises(UserError, match="no such thing: refuses"):
        run_shards(refuse_while_the_other_writes, shards, execution(tmp_path, 2), "test")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "begun").read_text()), 0)


SQUEUE = """#!/bin/sh
echo "$@" >> {here}/asked
case $(wc -l < {here}/asked) in {answers} esac
echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1
"""
SILENCE = "echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1"
RUNNING = "echo '7_0 RUNNING'; exit 0"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Put a squeue and a scancel in the path; a function tells it how squeue answers first, before it knows no job."""
    programs = tmp_path / "bin"
    programs.mkdir()

    def answer(*answers):
        cases = "".join(f"{number}) {words};; " for number, words in enumerate(answers, 1))
        (programs / "squeue").write_text(SQUEUE.format(here=programs, answers=cases))
        (programs / "scancel").write_text(f'#!/bin/sh\necho "$@" >> {programs}/cancelled\n')
        for program in programs.iterdir():
            program.chmod(0o755)
        return programs

    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    return answer


def array_of(number, make):
    """Return what submits in Slurm's place: `make` gets the shards."""

    def submit(work, todo, settings):
        for out, given in make(todo).items():
            make_shard(work, given, out)
        return number

    return submit


ARRAY = ArraySettings(parallel=2, minutes=5, memory_gb=None, setup=(), account=None, partition=None, qos=None)


def test_an_array_has_no_more_jobs_than_slurm_takes(tmp_path, monkeypatch, slurm):
    slurm(RUNNING)
    sizes = []

    def all_of(todo):
        sizes.append(len(todo))
        return todo

    monkeypatch.setattr(module, "MOST_JOBS", 2)
    monkeypatch.setattr(module, "_submit", array_of("7", all_of))
    run_shards(write, {tmp_path / name: name for name in "abcde"}, execution(tmp_path, array=ARRAY), "test")
    assert sizes == [2, 2, 1]
    assert sorted(read(tmp_path)) == list("abcde")


def test_jobs_that_died_are_submitted_again_and_that_is_said(tmp_path, monkeypatch, capsys, slurm):
    programs = slurm(RUNNING)
    monkeypatch.setattr(module, "_submit", array_of("7", lambda todo: dict([*todo.items()][:1])))
    run_shards(write, {tmp_path / name: name for name in "abc"}, execution(tmp_path, array=ARRAY), "test")
    assert sorted(read(tmp_path)) == list("abc")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("a job died")]
    assert said == [f"a job died (out of memory?); {left} shards are left" for left in (2, 1)]
    assert (programs / "asked").read_text().splitlines() == ["--noheader --jobs=7"] * (1 + 2 * module.MISSING_POLLS)
    assert not (programs / "cancelled").exists()


def test_a_slurm_that_does_not_answer_has_not_forgotten_the_jobs(tmp_path, monkeypatch, slurm):
    """The last result comes while squeue is silent, after two answers that there is no such job."""
    last = f"mkdir {tmp_path}/b; {SILENCE}"
    programs = slurm(RUNNING, "exit 0", "exit 0", *[SILENCE] * module.MISSING_POLLS, last)
    monkeypatch.setattr(module, "_submit", array_of("7", lambda todo: {tmp_path / "a": "a"}))
    run_shards(write, {tmp_path / name: name for name in "ab"}, execution(tmp_path, array=ARRAY), "test")
    assert (tmp_path / "b").is_dir()
    assert len((programs / "asked").read_text().splitlines()) == 4 + module.MISSING_POLLS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_array_does_not_outlive_the_process_that_follows_it(tmp_path, monkeypatch, slurm, number):
    programs = slurm(RUNNING, f"kill -{number.name.removeprefix('SIG')} $PPID; {RUNNING}")
    monkeypatch.setattr(module, "_submit", array_of("7", lambda todo: {}))

    def end(number, frame):
        pytest.fail("this process was to end at once")

    before = signal.signal(number, end)
    try:
        with pytest.raises(UserError, match=rf"stopped by {number.name}, and the jobs .* are cancelled; run again"):
            run_shards(write, {tmp_path / "a": "a"}, execution(tmp_path, array=ARRAY), "test")
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)
    assert (programs / "cancelled").read_text() == "7\n"


def test_an_array_that_slurm_refuses_is_told_with_the_remedy(tmp_path, monkeypatch):
    array = ArraySettings(parallel=2, minutes=5, memory_gb=None, setup=(), account=None, partition=None, qos="hihg")
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    shards = {tmp_path / "made" / name: name for name in "ab"}
    with pytest.raises(UserError, match="there is no srun here; go to a login node"):
        run_shards(write, shards, execution(tmp_path, array=array), "test")
    for name in ("srun", "sbatch"):
        (programs / name).write_text("#!/bin/sh\necho 'sbatch: error: Invalid qos specification' >&2; exit 1\n")
        (programs / name).chmod(0o755)
    with pytest.raises(UserError, match=r"Slurm refuses an array of 2 jobs: Invalid qos.*cluster\.array"):
        run_shards(write, shards, execution(tmp_path, array=array), "test")


@pytest.mark.slurm
@pytest.mark.timeout(300)
def test_an_array_of_slurm_jobs(tmp_path):
    array = ArraySettings(
        parallel=2, minutes=5, memory_gb=None, setup=("echo set up",), account=None, partition=None, qos=None
    )
    names = ["a", "dies", "b"]
    shards = {tmp_path / "made" / name: (name, tmp_path / "died") for name in names}
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = IMPORTED  # jobs unpickle this module's functions
    try:
        run_shards(write_but_once, shards, execution(tmp_path, array=array), "test")
        with pytest.raises(UserError, match="no such thing: x"):
            run_shards(refuse, {tmp_path / "made" / "x": "x"}, execution(tmp_path, array=array), "test")
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    assert read(tmp_path / "made") == {name: name for name in sorted(names)}
