"""A plan as a chain of Slurm jobs: each waits for the jobs that make its inputs, and nobody needs to stay."""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import jobs, lock, runs, slurm
from pipeline.errors import UserError
from pipeline.job_status import end_of
from pipeline.plan import Step, unique
from pipeline.runner import OFFLINE, Outcome, brief, prepare_step, run_plan
from pipeline.settings import Config
from pipeline.slurm_settings import SlurmSettings

SUBMITTING = "submission.lock"
"""Beside the artifacts, of which two chains may need the same; held for seconds."""
POLL_SECONDS = 2.0
MISSING_POLLS = 5
"""How often a job must be seen to have ended without an artifact: a network disk may show it later than the queue."""


@dataclass(frozen=True)
class Submission:
    """The jobs of all steps that are missing, by their step's fingerprint."""

    jobs: Mapping[str, jobs.Job]
    new: int
    """How many of them were submitted now; the others were in the queue before."""


def carry_out(plans: Sequence[Sequence[Step]], config: Config) -> Outcome | None:
    """Make what begun plans lack, here or by Slurm; None where jobs go on with it after this process has ended.

    Raises UserError where a step fails, or where Slurm refuses a job.
    """
    steps, settings = unique(plans), config.cluster.slurm
    missing = [step for step in steps if not step.finished]
    if settings is None or not missing:
        return run_plan(steps, config)
    # Who asks the queue while another submits does not see all of the other's jobs, and would submit them again.
    with lock.hold(config.artifacts / SUBMITTING, _tell_wait):
        submission = submit_steps(missing, config, settings)
        for plan in () if settings.wait else plans:
            submit_finish(plan, submission, settings)
    kept = len(submission.jobs) - submission.new
    before = f", {kept} were in the queue already" if kept else ""
    print(f"Submitted {submission.new} jobs{before}.", flush=True)
    if settings.wait:
        return follow(steps, missing, submission)
    print("They go on by themselves: you may log out. `make status` follows them, with the same LANG and ARGS.")
    return None


def _tell_wait(owner: Mapping[str, Any]) -> None:
    print(f"process {owner['pid']} on {owner['host']} is submitting jobs too; waiting for it", file=sys.stderr)


def submit_steps(missing: Sequence[Step], config: Config, settings: SlurmSettings) -> Submission:
    """Submit a job for each step, in running order, but where one of an earlier submission is still to come."""
    known = {step.fingerprint: job for step in missing if (job := jobs.recorded(step.work))}
    states = slurm.job_states([job.job for job in known.values()])
    # Who was killed before it could note a job's number left one that would be made twice.
    for lost in slurm.waiting_jobs({str(step.work / jobs.SCRIPT) for step in missing}) - states.keys():
        slurm.cancel(lost)
    chain: dict[str, jobs.Job] = {}
    new = 0
    for step in missing:
        after = [chain[other.fingerprint].job for other in step.inputs.values() if other.fingerprint in chain]
        after = list(dict.fromkeys(after))
        job = known.get(step.fingerprint)
        if job is None or not _still_good(job, states.get(job.job), after):
            if step.finished:  # its job has ended well since
                continue
            job, new = _submit_step(step, config, settings, after), new + 1
        chain[step.fingerprint] = job
    return Submission(chain, new)


def _still_good(job: jobs.Job, state: slurm.JobState | None, after: Sequence[str]) -> bool:
    """Whether a job of an earlier submission will make its step; one that waits for a dead job will not."""
    if state is None or state.name != job.name or not state.live:
        return False
    if state.running or set(after) <= set(job.after):
        return True
    slurm.cancel(job.job)
    return False


def _submit_step(step: Step, config: Config, settings: SlurmSettings, after: Sequence[str]) -> jobs.Job:
    command = prepare_step(step, config)
    variables = {} if step.stage.uses_network else OFFLINE
    lines = jobs.job_lines(settings.setup, variables, command, step.stage.resumes)
    options = jobs.step_options(step, config.cluster, settings)
    return jobs.submit_job(step.work, step.folder.name, lines, options, after)


def submit_finish(plan: Sequence[Step], submission: Submission, settings: SlurmSettings) -> None:
    """Submit the job that finishes a plan's run after its last steps, unless it is in the queue."""
    folder = runs.run_folder(plan)
    # What only feeds steps that were finished before is waited for too: it may have been removed since.
    fed = {other.fingerprint for step in plan if step.fingerprint in submission.jobs for other in step.inputs.values()}
    last = [submission.jobs[step.fingerprint].job for step in unique([plan]) if _is_last(step, fed, submission)]
    job = jobs.recorded(folder)
    if job and _still_good(job, slurm.job_states([job.job]).get(job.job), last):
        return
    lines = jobs.job_lines(settings.setup, {}, runs.finish_command(folder))
    jobs.submit_job(folder, f"finish-{folder.name}", lines, jobs.finishing_options(settings), last)


def _is_last(step: Step, fed: set[str], submission: Submission) -> bool:
    return step.fingerprint in submission.jobs and step.fingerprint not in fed


def _has_ended(state: slurm.JobState | None) -> bool:
    """Whether a job will not make its step; one that is cleaning up may be about to begin again (requeued)."""
    return state is None or not (state.live or state.state == slurm.ENDING)


def follow(steps: Sequence[Step], missing: Sequence[Step], submission: Submission) -> Outcome:
    """Wait for the jobs and tell of each step's end; raise UserError with the log's last lines where one failed.

    Ctrl-C ends the waiting, not the jobs.
    """
    started, gone = time.monotonic(), Counter[str]()
    waiting = [step for step in missing if step.fingerprint in submission.jobs]
    while waiting:
        time.sleep(POLL_SECONDS)
        for step in [step for step in waiting if step.finished]:
            waiting.remove(step)
            print(f"[{len(steps) - len(waiting)}/{len(steps)}] {step.name} {brief(step)}", flush=True)
        numbers = [submission.jobs[step.fingerprint].job for step in waiting]
        try:
            states = slurm.job_states(numbers)
        except UserError as error:  # a controller that is restarted answers again
            print(f"note: {error}", file=sys.stderr)
            continue
        gone = Counter({number: gone[number] + 1 for number in numbers if _has_ended(states.get(number))})
        if any(gone[number] >= MISSING_POLLS for number in numbers):
            raise end_of(waiting)
    kept = [step for step in steps if step not in missing]
    return Outcome(list(missing), kept, time.monotonic() - started)
