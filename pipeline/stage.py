"""What a stage is, and what it is told about the machine it runs on."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import PositiveFloat, PositiveInt

from pipeline.section import Section

Metrics = dict[str, Any]  # JSON values; they go into the manifest, where times may differ from run to run

CHECKPOINTS = "checkpoints"
"""Folder in `out` of a stage that resumes: what it goes on from, until its artifact is published without it."""
Sharding = Literal["none", "full"]
"""What training processes share of the model: nothing (each holds it whole), or weights, gradients and optimizer."""
AttentionKernel = Literal["auto", "sdpa", "flash_attention_2"]
"""`sdpa`: torch's own; `auto`: flash_attention_2 where it is installed and pays, else sdpa."""


class ArraySettings(Section):
    """How shards of CPU work become an array of Slurm jobs."""

    parallel: PositiveInt
    """Jobs at a time."""
    minutes: PositiveInt
    """Slurm's time limit of one job."""
    memory_gb: PositiveInt | None
    """Of one job; null for the cluster's own default."""
    setup: tuple[str, ...]
    """Lines of shell before the work, such as `module load`."""
    account: str | None
    partition: str | None
    qos: str | None


class Execution(Section):
    """Where and how fast a stage runs; it changes no number in its output, but for rounding, and so is never hashed.

    The exception is dropout, which is drawn for each process and micro-batch: their number decides what it hides.
    """

    workers: int
    """Processes for CPU work such as cleaning or tokenizing."""
    array: ArraySettings | None
    """Slurm jobs in the place of these processes."""
    device: str
    """`cpu` or `cuda`."""
    micro_batch: int
    """Sequences in one forward pass; gradient accumulation fills the global batch."""
    checkpoint_seconds: float
    """Seconds between two training checkpoints, at least."""
    checkpoint_pause_factor: float
    """Times what the last one took to write, at least."""
    sharding: Sharding
    attention_kernel: AttentionKernel
    activation_checkpointing: bool
    """Keep only what goes into each layer, and compute the rest again in the backward pass."""
    compile: bool
    """Compile the layers with torch.compile."""
    kept_checkpoints: PositiveInt
    """Newest checkpoints of a training that are kept while it runs."""
    peak_flops_per_second: PositiveFloat | None
    """What one process' device could do at most, in the training's precision; null where that is not known."""
    downloads: Path
    """Cache of downloaded files, named by sha256."""
    tracking: Path | None
    """Folder for Weights & Biases run files; None switches tracking off."""
    tracking_project: str
    tracking_entity: str | None
    tracking_id: str
    """The artifact's name, by which the run is the same one after a stop."""
    tracking_name: str
    """What people read."""
    tracking_group: str | None
    """Shared by the runs that are to be shown together."""
    tracking_labels: dict[str, Any]
    """What the run is found by: JSON values by name."""
    logs: Path | None
    """The step's folder of logs, for what differs from run to run and so is no part of the artifact."""
    debian_mirror: str | None
    """Base address of a Debian mirror, for machines without apt."""


StageFunction = Callable[[Any, Mapping[str, Path], Path, Execution], Metrics]


@dataclass(frozen=True)
class Stage:
    """A plain function `(settings, inputs, out, execution) -> metrics` and what the planner must know of it.

    The function has the stage's name and stands in `stages/<name>/stage.py`. It is imported only where it runs, so
    that planning never imports torch.
    """

    name: str
    makes: str
    """Name of the artifact, a noun."""
    settings: type[Section]
    """What the stage sees, and so what is hashed."""
    version: int = 1
    """Raised when the same settings would give another output."""
    libraries: tuple[str, ...] = ()
    """Distributions whose version shapes the output."""
    uses_network: bool = False
    uses_gpus: bool = False
    """Started with the cluster's command for GPU work."""
    parallel: bool = False
    """Started as one process a GPU."""
    resumes: bool = False
    """May go on from its own checkpoints in an unfinished folder."""

    @property
    def run(self) -> StageFunction:
        """Import and return the stage's function."""
        return stage_function(self.name)


def stage_function(name: str) -> StageFunction:
    """Return the function `name` of `stages/<name>/stage.py`."""
    return getattr(importlib.import_module(f"stages.{name}.stage"), name)
