"""How steps become Slurm jobs, as the configuration says it."""

from typing import Annotated, Self

from pydantic import Field, PositiveInt, model_validator

from pipeline.section import Section


class JobSettings(Section):
    """What one job asks for."""

    account: str | None
    partition: str | None
    qos: str | None
    minutes: PositiveInt
    """Slurm's time limit."""
    cpus: PositiveInt
    """Cores; in a GPU job for each GPU."""
    memory_gb: PositiveInt | None
    """Main memory of a node, in a GPU job for each GPU; null for the cluster's own default."""
    gres: str | None
    """What a GPU is called, for example `gpu` or `gpu:a100`; its number is added. Null where there are none."""
    options: tuple[str, ...]
    """Further options of sbatch, for example `--constraint=h100`."""


class SlurmSettings(Section):
    """How a plan becomes a chain of jobs."""

    wait: bool
    """Stay and follow the jobs; else the command ends when they are submitted."""
    nodes: PositiveInt
    """Nodes of a training; each runs its part of `cluster.processes`."""
    warning_seconds: Annotated[int, Field(gt=0, le=65535)]
    """How long before its end a step that can go on later hears of it: a training has to write a checkpoint."""
    setup: tuple[str, ...]
    """Lines of shell at the start of each job, such as `module load cuda`."""
    cpu: JobSettings
    gpu: JobSettings
    """Of steps that use a GPU."""

    @model_validator(mode="after")
    def _time_to_work(self) -> Self:
        limit = 60 * min(self.cpu.minutes, self.gpu.minutes)
        if self.warning_seconds >= limit:
            raise ValueError(
                f"cluster.slurm.warning_seconds={self.warning_seconds} is no less than the {limit} seconds of a job, "
                "which would be told to stop as it begins; raise cluster.slurm.cpu.minutes or cluster.slurm.gpu.minutes"
            )
        return self
