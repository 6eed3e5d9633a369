"""What Slurm is told and asked: a job to submit, and what became of jobs."""

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import UserError

WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
RUNNING = {"RUNNING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"}
ENDING = "COMPLETING"
NEVER = "DependencyNeverSatisfied"
QUEUE_FORMAT = "%i|%T|%r|%N|%S|%j"
ACCOUNTING_FORMAT = "JobID,State,Reason,NodeList,Start,JobName"
OWN_VARIABLES = ("SLURM_", "SLURMD_", "SRUN_", "SUBMITIT_")
KEPT_VARIABLES = ("SLURM_CONF", "SLURM_CLUSTERS")


@dataclass(frozen=True)
class JobState:
    """What Slurm says of a job."""

    state: str
    """In Slurm's words, for example PENDING or OUT_OF_MEMORY."""
    reason: str
    """Why it waits or ended; `None` where there is nothing to say."""
    nodes: str
    since: str
    """When it started or is expected to."""
    name: str

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended; a job that only cleans up has ended."""
        return self.state in RUNNING

    @property
    def live(self) -> bool:
        """Whether it runs or still may."""
        return self.running or (self.state in WAITING and self.reason != NEVER)


def submit(script: str, options: Sequence[str]) -> str:
    """Submit a file as a batch job and return the job's number; raise UserError with what Slurm says against it."""
    check_installed("sbatch")
    command = ["sbatch", "--parsable", *options, script]
    # A job inherits the variables of the shell that submits it, and that may be a job with resources of its own.
    done = subprocess.run(command, capture_output=True, text=True, env=environment(os.environ))
    if done.returncode != 0:
        raise refusal(script, done.stderr)
    return done.stdout.strip().partition(";")[0]


def refusal(what: str, said: str) -> UserError:
    """Return the error for what sbatch says against a job."""
    said = said.strip().removeprefix("sbatch: error: ").replace("\n", " ")
    return UserError(
        f"Slurm refuses {what}: {said}. Account and partition are machine.account and machine.partition in "
        "conf/local.yaml, the rest stands in conf/cluster/slurm.yaml (cluster.slurm.cpu, cluster.slurm.gpu, "
        "cluster.array)"
    )


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those by which a job knows its own resources.

    >>> environment({"PATH": "/bin", "SLURM_MEM_PER_NODE": "1", "SLURM_CONF": "/etc/slurm.conf"})
    {'PATH': '/bin', 'SLURM_CONF': '/etc/slurm.conf'}
    """
    return {
        name: value for name, value in given.items() if name in KEPT_VARIABLES or not name.startswith(OWN_VARIABLES)
    }


def cancel(job: str) -> None:
    """Cancel a job, whatever its state."""
    subprocess.run(["scancel", job], check=False, capture_output=True)


def first_node(nodes: str) -> str:
    """Return the first of the nodes that Slurm writes as `gpu[03-04,7]`: that of task 0, and of a job's script."""
    check_installed("scontrol")
    command = ["scontrol", "show", "hostnames", nodes]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[0]


def job_states(jobs: Collection[str]) -> dict[str, JobState]:
    """Return what is known of jobs, from the queue and else from the accounting, which not every cluster has.

    Raises UserError where the queue does not answer: what it lacks would be submitted a second time.
    """
    if not jobs:
        return {}
    found = read_states(_queue("all", QUEUE_FORMAT), jobs)
    unknown = [job for job in jobs if job not in found]
    return found | (_accounted(unknown) if unknown else {})


def waiting_jobs(scripts: Collection[str]) -> set[str]:
    """Return the jobs that were submitted with one of these files and have not begun; UserError as `job_states`."""
    lines = (line.partition("|") for line in _queue("PENDING", "%i|%o").splitlines())
    return {job for job, _, script in lines if script in scripts}


def _queue(states: str, line_format: str) -> str:
    check_installed("squeue")
    command = ["squeue", "--me", f"--states={states}", "--noheader", f"--format={line_format}"]
    queue = subprocess.run(command, capture_output=True, text=True)
    if queue.returncode != 0:
        raise UserError(f"Slurm does not say which jobs there are: {queue.stderr.strip()}. Try again in a while")
    return queue.stdout


def _accounted(jobs: Sequence[str]) -> dict[str, JobState]:
    command = ["sacct", f"--jobs={','.join(jobs)}", "--allocations", "--noheader", "--parsable2"]
    try:
        done = subprocess.run([*command, f"--format={ACCOUNTING_FORMAT}"], capture_output=True, text=True)
    except FileNotFoundError:
        return {}
    return read_states(done.stdout, jobs) if done.returncode == 0 else {}


def read_states(text: str, jobs: Collection[str]) -> dict[str, JobState]:
    """Return the states of the wanted jobs from lines of squeue or sacct.

    >>> read_states("7|CANCELLED by 0|None|node3|2026-01-01T10:00:00|corpus-1", ["7"])["7"].state
    'CANCELLED'
    """
    found = {}
    for line in text.splitlines():
        fields = line.split("|", maxsplit=5)
        if len(fields) == 6 and fields[0] in jobs:
            job, state, *others = fields
            found[job] = JobState(state.partition(" ")[0], *others)
    return found


def check_installed(program: str) -> None:
    """Raise UserError where a program of Slurm is not on this machine."""
    if shutil.which(program) is None:
        raise UserError(f"cluster=slurm, but there is no {program} here; go to a login node, or choose cluster=one_gpu")
