"""The trainings of a plan as a table: operations, GPU-hours, memory."""

from collections.abc import Sequence

from rich.table import Table

from pipeline.estimate import checkpoints_bytes
from pipeline.gpu_memory import AnyPlan, memory_words, trainings
from pipeline.plan import Step
from pipeline.roofline import ADAPTERS
from pipeline.settings import Config
from pipeline.training_plan import GB, make_gpu


def training_table(steps: Sequence[tuple[Step, Config]]) -> Table | None:
    """Return a row for each training that is still to be run, None where there is none.

    The GPU-hours are those of all processes together, without what they take to exchange gradients.
    """
    planned = list(trainings(steps))
    if not planned:
        return None
    gpus = list(planned[0][1].planning.gpus)
    hours = [f"{name} hours" for name in gpus]
    table = Table("training", "weights", "trained", "tokens", "FLOPs", *hours, "memory a GPU", "checkpoints")
    for column in table.columns[1:]:
        column.justify = "right"
    for plan, config in planned:
        table.add_row(*_row(plan, config, gpus))
    return table


def _row(plan: AnyPlan, config: Config, gpus: Sequence[str]) -> list[str]:
    planning, processes = config.planning, plan.batches.processes
    seconds = [plan.seconds(make_gpu(planning.gpus[name], plan.precision), planning.utilisation) for name in gpus]
    hours = [processes * value / 3600 for value in seconds]
    return [
        plan.name,
        _count(plan.shape.parameters),
        "adapters" if plan.most == ADAPTERS else _count(plan.shape.trained(plan.most)),
        f"{plan.tokens:,.0f}",
        f"{plan.flops:.2e}",
        *(f"{value:.2g}" if value < 10 else f"{value:,.0f}" for value in hours),
        f"{plan.memory().total / GB:.1f} GB",
        f"{checkpoints_bytes(plan) / GB:.1f} GB",
    ]


def memory_lines(steps: Sequence[tuple[Step, Config]]) -> list[str]:
    """Return of what the memory of each training consists."""
    return [f"{plan.name}, GB on {_gpus(plan)}: {memory_words(plan.memory())}." for plan, _ in trainings(steps)]


def _gpus(plan: AnyPlan) -> str:
    shared = ", sharded" if plan.sharded else ""
    return f"each of {plan.batches.processes} GPUs{shared}" if plan.batches.processes > 1 else "one GPU"


def _count(number: int) -> str:
    return f"{number / 1e9:.2f}B" if number >= 1e9 else f"{number / 1e6:.2f}M"
