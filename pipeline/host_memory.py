"""Whether a Slurm job's main memory holds what a training puts there: the model while it is read, and checkpoints."""

import math

from pipeline.roofline import WEIGHT_BYTES
from pipeline.settings import Config
from pipeline.training_plan import GB, TrainingPlan

GIB = 2**30
"""Slurm's G."""


def host_problem(plan: TrainingPlan, config: Config) -> str | None:
    """Return what is wrong where a node of a training's job asks for less main memory than it needs, else None."""
    slurm = config.cluster.slurm
    if slurm is None or slurm.gpu.memory_gb is None:
        return None
    processes = plan.batches.processes // slurm.nodes
    reading, saving = reading_bytes(plan, processes), saving_bytes(plan)
    needed = max(reading, saving) + processes * config.planning.process_gb * GB
    asked = slurm.gpu.memory_gb * processes * GIB
    if needed <= asked:
        return None
    why = "when it reads the model" if reading > saving else "when it writes a checkpoint"
    return (
        f"{plan.name} needs about {needed / GB:.1f} GB of a node's main memory {why}, and its job asks for "
        f"{asked / GB:.1f} GB; give cluster.slurm.gpu.memory_gb={math.ceil(needed / processes / GIB)}, for each GPU"
    )


def reading_bytes(plan: TrainingPlan, processes: int) -> float:
    """Return what the processes of a node hold of the model, in float32, before it goes to their GPUs.

    Where they share it, the first alone reads it, and sends the others their parts.
    """
    return WEIGHT_BYTES * plan.shape.parameters * (1 if plan.sharded else processes)


def saving_bytes(plan: TrainingPlan) -> float:
    """Return what the first process holds to write a checkpoint.

    Where weights and moments are spread over the processes, both are gathered first; else they leave the GPU file by
    file.
    """
    weights = WEIGHT_BYTES * plan.shape.trained(plan.most)
    moments = plan.facts.moments.total(plan.shape, plan.most)
    return weights + moments if plan.sharded else max(weights, moments)
