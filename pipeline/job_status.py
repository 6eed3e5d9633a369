"""What became of steps, by their artifacts, locks and Slurm jobs, and what to do about those that failed."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import explain, jobs, lock, slurm, store
from pipeline.errors import UserError
from pipeline.plan import Step

LAST_LINES, LAST_BYTES = 5, 8192
REMEDIES = {
    "TIMEOUT": "its time ran out; raise cluster.slurm.{kind}.minutes",
    "OUT_OF_MEMORY": "its memory ran out; raise cluster.slurm.{kind}.memory_gb, or lower cluster.workers",
    "CANCELLED": "it was cancelled",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not start",
    "PREEMPTED": "it was preempted by another job",
}
"""By the state in which Slurm left a job."""


@dataclass(frozen=True)
class Status:
    """Where one step is."""

    step: Step
    state: str
    """`finished`, `running`, `queued`, `failed`, `cancelled` or `not made`."""
    details: str
    log: Path | None
    ended: str
    """Slurm's word for how its job ended; empty where it did not, or where Slurm does not remember."""


def statuses(steps: Sequence[Step]) -> list[Status]:
    """Return where each step is; what only Slurm could tell is left out, with a note, where it does not answer."""
    known = {step.fingerprint: job for step in steps if not step.finished and (job := jobs.recorded(step.work))}
    states: Mapping[str, slurm.JobState] = {}
    try:
        states = slurm.job_states([job.job for job in known.values()])
    except UserError as error:
        print(f"note: {error}", file=sys.stderr)
    return [_status(step, known.get(step.fingerprint), states) for step in steps]


def _status(step: Step, job: jobs.Job | None, states: Mapping[str, slurm.JobState]) -> Status:
    usual, state = explain.state(step), states.get(job.job) if job else None
    if step.finished or job is None or (state is not None and state.name != job.name):
        return Status(step, usual, _usual_details(step, usual), explain.newest_log(step.work), "")
    log = Path(job.log) if Path(job.log).exists() else None
    if state is None or (usual == "running" and not state.live):  # Slurm has forgotten it, or it runs without Slurm now
        newest = explain.newest_log(step.work)
        return Status(step, usual, _usual_details(step, usual) or f"job {job.job} is gone from Slurm", newest, "")
    waits = f" ({state.reason})" if state.reason not in ("None", "") else ""
    if state.running or state.state == slurm.ENDING:  # after which it may have failed, or begin again
        return Status(step, "running", f"job {job.job} on {state.nodes} since {state.since}", log, "")
    if state.live:
        return Status(step, "queued", f"job {job.job} {state.state}{waits}", log, "")
    # What never began has no log: it waited for a step that failed, or was cancelled before.
    began = "failed" if log else "cancelled"
    return Status(step, began, f"job {job.job} {state.state}{waits}", log, state.state)


def _usual_details(step: Step, state: str) -> str:
    manifest = store.read_manifest(step.folder)
    if manifest:
        return f"{manifest['started']}, {manifest['seconds']:.0f} s on {manifest['hardware']['host']}"
    if owner := lock.holder(step.work / "lock"):
        return f"process {owner['pid']} on {owner['host']}" + (f", job {owner['job']}" if owner["job"] else "")
    return "log below" if state == "failed" else ""


def failure_lines(found: Sequence[Status]) -> list[str]:
    """Return for each failed step its log, the log's last lines and the remedy; none where nothing failed."""
    failed = [status for status in found if status.state == "failed"]
    cancelled = sum(status.state == "cancelled" for status in found)
    lines = [line for status in failed for line in _failure(status)]
    if cancelled:
        lines.append(f"{cancelled} steps that wait for others were cancelled before they began.")
    if lines:
        lines.append("The same command as before goes on with what is missing.")
    return lines


def _failure(status: Status) -> list[str]:
    kind = "gpu" if status.step.stage.uses_gpus else "cpu"
    why = REMEDIES.get(status.ended, "the log says why").format(kind=kind)
    head = f"{status.step.name} failed: {why}. Log: {status.log}"
    return [head, *(f"    {line}" for line in last_lines(status.log))] if status.log else [head]


def last_lines(log: Path) -> list[str]:
    """Return the last lines of a log, a progress bar as it was last drawn."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    drawn = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    return [line for line in drawn if line][-LAST_LINES:]


def end_of(steps: Sequence[Step]) -> UserError:
    """Return the error of a chain that ended before its steps were made."""
    return UserError("\n".join(failure_lines(statuses(steps))) or "the jobs ended without their artifacts")
