"""A plan as `make plan` shows it: steps and why, trainings, disk."""

from collections.abc import Sequence

from rich.table import Table

from pipeline import explain
from pipeline.console import console
from pipeline.estimate import check_disk, estimate
from pipeline.gpu_memory import check_trainings
from pipeline.plan import Step
from pipeline.settings import Config
from pipeline.sources import overlay_notes
from pipeline.training_table import memory_lines, training_table

DAY = 86_400
"""Seconds."""


def show_plan(steps: Sequence[tuple[Step, Config]]) -> None:
    """Print each step with why it would run and what it would cost; raise UserError where it cannot fit."""
    table = Table("step", "artifact", "state", "why", "tokens", "disk", "time")
    for column in table.columns[4:]:
        column.justify = "right"
    seconds = 0.0
    for step, config in steps:
        row = [step.name, step.folder.name, explain.state(step), explain.reason(step)]
        if not step.finished:
            cost = estimate(step, config)
            seconds += cost.seconds
            row += [f"{cost.tokens:,}" if cost.tokens else "", size_words(cost.disk_bytes), time_words(cost.seconds)]
        table.add_row(*row)
    console.print(table)
    config = steps[0][1]
    for line in overlay_notes(config):
        console.print(f"note: {line}")
    if trained := training_table(steps):
        console.print(trained)
    for line in memory_lines(steps):
        console.print(line)
    check_trainings(steps)
    needed, free = check_disk(steps)
    waiting = sum(not step.finished for step, _ in steps)
    console.print(f"{waiting} of {len(steps)} steps to run, about {time_words(seconds)} in all.")
    console.print(f"Disk: about {size_words(needed)} needed, {size_words(free)} free under {config.artifacts}.")


def size_words(count: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def time_words(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds > 2 * DAY:
        return f"{seconds / DAY:.1f} days"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
