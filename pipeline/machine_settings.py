"""Where and how a plan is run, as the configuration says it: cluster, machine, run. None of it is hashed."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from pipeline.section import Section
from pipeline.slurm_settings import SlurmSettings
from pipeline.stage import ArraySettings, AttentionKernel, Sharding

ONE_GPU = "one_gpu"
"""Name of the cluster that is this machine's one GPU."""


class ClusterSettings(Section):
    """How a stage is started and how fast; changes no result, but for what `Execution` names."""

    name: str
    processes: PositiveInt
    """Training processes, one a GPU (on a CPU: gloo processes)."""
    device: Literal["cpu", "cuda"]
    gpu: str | None
    """Kind of GPU, of those in conf/planning/; null where none of them is meant."""
    workers: PositiveInt | None
    """Processes for CPU work; null for one a core."""
    array: ArraySettings | None
    """Shards of CPU work as an array of Slurm jobs; null for processes where the stage runs."""
    micro_batch: PositiveInt
    checkpoint_seconds: NonNegativeFloat
    """From one checkpoint of a training to the next, at least."""
    checkpoint_pause_factor: NonNegativeFloat
    """Times what the last checkpoint took to write that pass before the next, at least."""
    sharding: Sharding
    attention_kernel: AttentionKernel
    activation_checkpointing: bool
    """Less memory for activations, about a third more computing."""
    compile: bool
    """Compile the model's layers when a training begins."""
    kept_checkpoints: PositiveInt
    slurm: SlurmSettings | None
    """Each step as a Slurm job; null to run one step after another where the command runs."""
    launch_cpu: tuple[str, ...]
    """Command put before a worker without a GPU, for example a container's; empty for none."""
    launch_gpu: tuple[str, ...]
    flops_per_second: PositiveFloat
    """Floating-point operations that one process really does; for `make plan` until a run here has measured it."""
    peak_flops_per_second: PositiveFloat | None
    """Floating-point operations that one process' device could do at most, for MFU; null for those of `gpu`."""

    @model_validator(mode="after")
    def _whole_nodes(self) -> "ClusterSettings":
        if self.processes % self.nodes:
            raise ValueError(
                f"cluster.processes={self.processes} cannot be shared by cluster.slurm.nodes={self.nodes}; choose a "
                f"multiple of {self.nodes}"
            )
        return self

    @property
    def nodes(self) -> int:
        """Machines that a training runs on."""
        return self.slurm.nodes if self.slurm else 1


def _below_home(path: Path) -> Path:
    if path == Path():
        raise ValueError("names no folder of its own; everything would be written into the project's root")
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{error}; write the folder out") from None


Folder = Annotated[Path, AfterValidator(_below_home)]
"""A folder on this machine, `~` being the user's home."""


class MachineSettings(Section):
    """This machine's facts; set them in conf/local.yaml."""

    artifacts: Folder
    """From the project's root, where not absolute."""
    downloads: Folder
    debian_mirror: str | None
    account: str | None
    partition: str | None
    tracking: bool
    wandb_project: str
    wandb_entity: str | None


class RunSettings(Section):
    """How a plan is run."""

    strict: bool
    """Stop where a stage's code changed since its artifact was made."""
    group: str | None
    """Group of the trainings in Weights & Biases; null for one named after the language and the overrides."""
    labels: dict[str, str]
    """What the trainings are found by there, beside what is known of each of them."""
