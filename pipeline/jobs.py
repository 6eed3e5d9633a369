"""One Slurm job: the record of it in a step's or a run's folder, its script and what it asks for."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline import slurm, store
from pipeline.errors import GO_ON
from pipeline.machine_settings import ClusterSettings
from pipeline.plan import Step
from pipeline.provenance import ROOT
from pipeline.slurm_settings import JobSettings, SlurmSettings

RECORD, SCRIPT = "job.json", "job.sh"
FINISHING_MINUTES = 15
HAND_ON = """\
# Slurm signals this shell: it hands the signal on, and does not end before its command has saved.
trap 'heard=yes; kill -USR1 $! 2> /dev/null || true' USR1
trap 'heard=yes; kill -TERM $! 2> /dev/null || true' TERM"""
WATCH = f"""\
heard=yes
while [ "$heard" ]; do
    heard=
    wait $! && status=0 || status=$?
done
# The command may have done this itself, and Slurm then refuses; in a container there is no scontrol.
if [ $status -eq {GO_ON} ] && scontrol requeue "$SLURM_JOB_ID" 2> /dev/null; then
    echo "Slurm job $SLURM_JOB_ID was requeued by its script" >&2
fi
exit $status"""


@dataclass(frozen=True)
class Job:
    """A job that was submitted for a step, or to finish a run."""

    job: str
    """Slurm's number."""
    name: str
    """Slurm numbers begin anew after years; the name tells whose a job is."""
    log: str
    after: tuple[str, ...]
    """Numbers of the jobs that it waits for."""


def recorded(folder: Path) -> Job | None:
    """Return the job that was last submitted from a folder, None where there was none."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return Job(record["job"], record["name"], record["log"], tuple(record["after"]))


def submit_job(folder: Path, name: str, command: Sequence[str], options: Sequence[str], after: Sequence[str]) -> Job:
    """Write a command's script into a folder, submit it to begin after other jobs' success, and note the job there."""
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-job%j.log"
    script = folder / SCRIPT
    text = "\n".join(["#!/bin/bash", "set -e", *command, ""])
    script.write_text(text, encoding="utf-8")
    pattern = str(log.parent).replace("%", "%%") + f"/{log.name}"
    waiting = [f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"] if after else []
    # A job that lost its node begins again, and adds to its log.
    own = [f"--job-name={name}", f"--output={pattern}", "--open-mode=append", "--requeue", f"--chdir={ROOT}"]
    number = slurm.submit(str(script), [*own, *waiting, *options])
    job = Job(number, name, str(log).replace("%j", number), tuple(after))
    store.write_json(folder / RECORD, asdict(job))
    return job


def step_options(step: Step, cluster: ClusterSettings, settings: SlurmSettings) -> list[str]:
    """Return what a step's job asks for, as options of sbatch.

    A step that does not train on several GPUs gets one of them, on one node.
    """
    gpu, parallel = step.stage.uses_gpus, step.stage.parallel
    nodes = settings.nodes if parallel else 1
    each = cluster.processes // nodes if parallel else 1
    asked = settings.gpu if gpu else settings.cpu
    warned = [f"--signal=B:USR1@{settings.warning_seconds}"] if step.stage.resumes else []
    return [*job_options(asked, each), f"--nodes={nodes}", "--ntasks-per-node=1", *warned]


def job_options(asked: JobSettings, each: int) -> list[str]:
    """Return the options of sbatch for a node with `each` GPUs or, where there are none, processes."""
    facts = {"account": asked.account, "partition": asked.partition, "qos": asked.qos}
    memory = f"{asked.memory_gb * each}G" if asked.memory_gb else None
    sizes = {"time": asked.minutes, "cpus-per-task": asked.cpus * each, "mem": memory}
    gres = f"{asked.gres}:{each}" if asked.gres else None
    named = {**facts, **sizes, "gres": gres}
    return [*(f"--{name}={value}" for name, value in named.items() if value is not None), *asked.options]


def finishing_options(settings: SlurmSettings) -> list[str]:
    """Return the options of the job that only links what a run made."""
    memory = settings.cpu.memory_gb and 1
    small = settings.cpu.model_copy(update={"minutes": FINISHING_MINUTES, "cpus": 1, "memory_gb": memory})
    return job_options(small, 1)


def job_lines(
    setup: Sequence[str], variables: Mapping[str, str], command: Sequence[str], resumes: bool = False
) -> list[str]:
    """Return a job's lines of shell; the command of a job that `resumes` is started again where it ends with GO_ON."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    run = [HAND_ON, f"{shlex.join(command)} &", WATCH] if resumes else [f"exec {shlex.join(command)}"]
    return [*setup, *exports, *run]
