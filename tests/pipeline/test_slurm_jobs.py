"""What jobs ask for, what Slurm's words mean, and what is said of jobs that ended; no Slurm needed."""

import os
import signal
import subprocess
import time
from dataclasses import replace

import pytest

from pipeline import chain, graph, job_status, jobs, runs, slurm, store
from pipeline.__main__ import main
from pipeline.config import load_config
from pipeline.errors import GO_ON, UserError
from pipeline.job_status import Status
from pipeline.jobs import Job
from pipeline.slurm import JobState
from pipeline.sources import current_lock

QUEUE = """\
7|RUNNING|None|node3|2026-11-21T10:00:00|corpus-1
8|PENDING|Dependency||N/A|odd|name
9|COMPLETING|None|node3|2026-11-21T10:00:00|tokenizer-1
10_[3-7]|PENDING|Resources||N/A|mothertongue
11|PENDING|DependencyNeverSatisfied||N/A|report-1
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    facts = ["machine.account=me", "cluster.processes=8", "cluster.slurm.nodes=2", "cluster.slurm.gpu.gres=gpu:a100"]
    facts += ["cluster.slurm.warning_seconds=900"]
    folder = tmp_path_factory.mktemp("artifacts")
    here = ["language=dutch", "experiment=smoke", "cluster=slurm", f"machine.artifacts={folder}"]
    config = load_config(
        [*here, *facts, "cluster.slurm.gpu.options=['--constraint=nvlink']", "training.global_batch=8"]
    )
    return config, {step.name: step for step in graph.adapt(config, current_lock(config))}


def options(planned, name):
    config, steps = planned
    given = jobs.step_options(steps[name], config.cluster, config.cluster.slurm)
    return dict(option.removeprefix("--").partition("=")[::2] for option in given)


def test_what_slurm_says():
    found = slurm.read_states(QUEUE, ["7", "8", "9", "11", "12"])
    assert sorted(found) == ["11", "7", "8", "9"]
    assert found["7"] == JobState("RUNNING", "None", "node3", "2026-11-21T10:00:00", "corpus-1")
    assert found["8"].name == "odd|name"
    assert [found[job].live for job in ("7", "8", "9", "11")] == [True, True, False, False]
    assert [found[job].running for job in ("7", "8", "9", "11")] == [True, False, False, False]


def test_a_training_gets_its_gpus_on_each_node_and_hears_of_its_end(planned):
    asked = options(planned, "adapted_model")
    assert asked["nodes"] == "2"
    assert asked["gres"] == "gpu:a100:4"
    assert (asked["cpus-per-task"], asked["mem"], asked["time"]) == ("32", "256G", "1440")
    assert asked["signal"] == "B:USR1@900"
    assert asked["account"] == "me"
    assert "constraint" in asked
    assert "partition" not in asked


def test_other_steps_get_one_gpu_or_none(planned):
    assert options(planned, "evaluation_source")["gres"] == "gpu:a100:1"
    assert options(planned, "evaluation_source")["nodes"] == "1"
    tokenizer = options(planned, "tokenizer")
    assert not {"gres", "signal", "constraint"} & set(tokenizer)
    assert (tokenizer["cpus-per-task"], tokenizer["mem"], tokenizer["time"]) == ("8", "32G", "720")
    assert planned[0].execution().workers == 8  # the job's cores, not those of the machine that submits it


def test_a_warning_as_early_as_the_job_begins_is_refused():
    with pytest.raises(
        UserError, match=r"cluster\.slurm\.warning_seconds=600 is no less than the 600 seconds of a job"
    ):
        load_config(["language=dutch", "cluster=slurm", "cluster.slurm.gpu.minutes=10"])


def test_processes_that_nodes_cannot_share_are_refused():
    with pytest.raises(UserError, match=r"cluster\.processes=3 cannot be shared by cluster\.slurm\.nodes=2"):
        load_config(["language=dutch", "cluster=slurm", "cluster.processes=3", "cluster.slurm.nodes=2"])


def test_a_job_in_the_queue_is_kept_unless_it_waits_for_a_dead_one(monkeypatch):
    cancelled = []
    monkeypatch.setattr(slurm, "cancel", cancelled.append)
    job, waits = Job("8", "corpus-1", "log", ("6", "7")), JobState("PENDING", "Dependency", "", "N/A", "corpus-1")
    good = chain._still_good
    assert good(job, waits, ["7"])  # 6 has ended well
    assert good(job, replace(waits, state="RUNNING"), ["9"])
    assert not good(job, None, [])
    assert not good(job, replace(waits, name="somebody's"), [])
    assert not good(job, replace(waits, state="FAILED"), [])
    assert cancelled == []
    assert not good(job, waits, ["7", "9"])
    assert cancelled == ["8"]


def test_a_job_that_was_submitted_and_never_noted_is_cancelled_before_its_step_is_submitted(
    planned, tmp_path, monkeypatch
):
    config, steps = planned
    step = steps["base_model"]
    queue = f"17|{step.work / jobs.SCRIPT}\n18|{tmp_path}/job.sh\n"
    told = {"squeue": f"printf '{queue}'", "scancel": f'echo "$@" >> "{tmp_path}/cancelled"', "sbatch": "echo 20"}
    for name, line in told.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    submission = chain.submit_steps([step], config, config.cluster.slurm)
    assert submission.jobs[step.fingerprint].job == "20"
    assert (tmp_path / "cancelled").read_text() == "17\n"


def test_the_command_takes_the_shells_place_after_the_setup():
    lines = jobs.job_lines(["module load cuda"], {"A": "b c"}, ["python", "-m", "it's"])
    assert lines == ["module load cuda", "export A='b c'", """exec python -m 'it'"'"'s'"""]


def run_job(folder, command, signalled=None):
    """Run a job that resumes as Slurm would, perhaps with a signal to its shell; return its status and log.

    The log holds what was asked of scontrol too.
    """
    (folder / "scontrol").write_text('#!/bin/sh\necho "scontrol $@"\n')
    (folder / "scontrol").chmod(0o755)
    script, log = folder / "job.sh", folder / "log"
    script.write_text("\n".join(["set -e", *jobs.job_lines([], {}, ["bash", "-c", command], resumes=True)]))
    given = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "SLURM_JOB_ID": "17"}
    with log.open("w") as sink:
        shell = subprocess.Popen(["bash", str(script)], env=given, stdout=sink, stderr=sink)
        while signalled and "begun" not in log.read_text():
            assert shell.poll() is None
            time.sleep(0.01)
        if signalled:
            shell.send_signal(signalled)
        return shell.wait(timeout=30), log.read_text()


WAITING = 'trap "echo saved; exit {status}" {name}; echo begun; while :; do sleep 0.05; done'


def test_a_command_that_could_not_requeue_its_job_is_started_again_by_the_script(tmp_path):
    status, log = run_job(tmp_path, WAITING.format(status=GO_ON, name="USR1"), signal.SIGUSR1)
    assert status == GO_ON
    assert log == "begun\nsaved\nscontrol requeue 17\nSlurm job 17 was requeued by its script\n"


def test_a_cancelled_job_waits_until_its_command_has_saved_and_is_not_started_again(tmp_path):
    assert run_job(tmp_path, WAITING.format(status=2, name="TERM"), signal.SIGTERM) == (2, "begun\nsaved\n")


@pytest.mark.parametrize("status", [0, 3])
def test_a_job_ends_as_its_command_does(tmp_path, status):
    assert run_job(tmp_path, f"exit {status}") == (status, "")


def test_what_can_go_on_later_is_watched_by_its_job(planned, tmp_path, monkeypatch):
    config, steps = planned
    given = {}
    monkeypatch.setattr(jobs, "submit_job", lambda folder, name, lines, *_: given.update({name: lines}))
    for name in ("adapted_model", "tokenizer"):
        chain._submit_step(steps[name], config, config.cluster.slurm, [])
    watched = {name.partition("-")[0]: jobs.WATCH in lines for name, lines in given.items()}
    assert watched == {"adapted_model": True, "tokenizer": False}


def test_a_failed_step_is_told_with_its_last_lines_and_what_to_do(planned, tmp_path):
    log = tmp_path / "job.log"
    log.write_text("one\ntraining:  5%\rtraining: 99%\r\n" + "x" * 10_000 + "\nerror: no more\n\n")
    steps = planned[1]
    found = [
        Status(steps["adapted_model"], "failed", "", log, "TIMEOUT"),
        Status(steps["report"], "cancelled", "", None, "CANCELLED"),
    ]
    head, *tail, waiting, remedy = job_status.failure_lines(found)
    assert head == f"adapted_model failed: its time ran out; raise cluster.slurm.gpu.minutes. Log: {log}"
    assert tail[-1] == "    error: no more"
    assert len("".join(tail)) < job_status.LAST_BYTES + 100
    assert waiting.startswith("1 steps that wait for others were cancelled")
    assert "goes on" in remedy
    assert job_status.failure_lines([replace(found[0], state="finished")]) == []
    log.write_text("one\ntraining:  5%\rtraining: 99%\r\n")
    assert job_status.last_lines(log) == ["one", "training: 99%"]


def test_a_refusal_of_sbatch_is_one_line_with_the_remedy(tmp_path, monkeypatch):
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: invalid account' >&2; exit 1\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(UserError, match=r"Slurm refuses job\.sh: invalid account\. Account .* conf/local\.yaml"):
        slurm.submit("job.sh", [])


def test_the_last_job_finishes_a_run_from_what_was_written_at_its_begin(planned, capsys):
    config, steps = planned
    plan = [steps["base_model"], steps["corpus"]]
    runs.begin_run(plan, config, [])
    folder = runs.run_folder(plan)
    assert runs.is_begun(plan)
    assert runs.main([str(folder)]) == 2
    assert "is not finished: base_model, corpus" in capsys.readouterr().err.replace(
        "corpus, base_model", "base_model, corpus"
    )
    for step in plan:
        store.prepare(step.folder, resumes=False)
        store.publish(step.folder, {"fingerprint": step.fingerprint, "recipe": dict(step.recipe)})
    assert not runs.is_finished(plan)
    assert runs.main([str(folder)]) == 0
    assert runs.is_finished(plan)
    assert (config.artifacts / "dutch" / "latest" / "base_model").resolve() == steps["base_model"].folder


def test_the_last_job_waits_for_an_artifact_that_is_made_again_for_steps_that_are_there(planned, monkeypatch):
    config, steps = planned
    plan, given = [steps["base_model"], steps["corpus"], steps["tokenizer"]], []
    monkeypatch.setattr(jobs, "submit_job", lambda *arguments: given.append(arguments[-1]))
    removed = chain.Submission({steps["corpus"].fingerprint: Job("7", "corpus-1", "log", ())}, 1)
    chain.submit_finish(plan, removed, config.cluster.slurm)
    both = {step.fingerprint: Job(str(number), "", "log", ()) for number, step in enumerate(plan[1:])}
    chain.submit_finish(plan, chain.Submission(both, 2), config.cluster.slurm)
    assert given == [["7"], ["1"]]


def test_a_job_that_is_requeued_has_not_ended(planned, monkeypatch):
    step = planned[1]["tokenizer"]
    job, waits = Job("8", step.folder.name, "log", ()), JobState("PENDING", "BeginTime", "", "N/A", step.folder.name)
    said = [replace(waits, state="COMPLETING")] * 2 * chain.MISSING_POLLS + [None, waits] * chain.MISSING_POLLS

    def answer(numbers):
        if not said:
            store.prepare(step.folder, resumes=False)
            store.publish(step.folder, {"fingerprint": step.fingerprint, "recipe": dict(step.recipe)})
        state = said.pop(0) if said else waits
        return {number: state for number in numbers if state}

    assert job_status._status(step, job, {job.job: said[0]}).state == "running"
    monkeypatch.setattr(chain, "POLL_SECONDS", 0)
    monkeypatch.setattr(slurm, "job_states", answer)
    submission = chain.Submission({step.fingerprint: job}, 1)
    assert chain.follow([step], [step], submission).made == [step]


def test_a_job_that_is_gone_ends_the_waiting(planned, monkeypatch):
    step = planned[1]["packed_tokens"]
    monkeypatch.setattr(chain, "POLL_SECONDS", 0)
    monkeypatch.setattr(slurm, "job_states", lambda numbers: {})
    with pytest.raises(UserError, match="the jobs ended without their artifacts"):
        chain.follow([step], [step], chain.Submission({step.fingerprint: Job("8", "", "log", ())}, 1))


def test_a_multirun_is_followed_by_the_same_arguments(tmp_path, capsys):
    words = ["language=dutch", "experiment=smoke", f"machine.artifacts={tmp_path}", "training.seed=1,2"]
    assert main(["status", "-m", *words]) == 0
    shown = capsys.readouterr().out
    assert shown.count("│ adapted_model ") == 2
    assert shown.count("│ tokenizer ") == 1
