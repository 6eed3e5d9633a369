"""`make train`: the adapted model and what it needs, without evaluation and report."""

from collections.abc import Callable, Sequence

from rich.console import Console

from pipeline import explain, graph, runs
from pipeline.card_lock import Lock
from pipeline.chain import carry_out
from pipeline.config import load_config
from pipeline.estimate import check_disk
from pipeline.gpu_memory import check_memory
from pipeline.plan import Step, only, unique
from pipeline.settings import Config
from pipeline.sources import current_lock, refreshed_lock

Planned = Sequence[tuple[Step, Config]]


def plan_training(config: Config, lock: Lock) -> list[Step]:
    """Plan the adapted model alone; it is the last step."""
    return only(graph.adapt(config, lock), lambda step: step.name == "adapted_model")


def run_training(overrides: Sequence[str], dry: bool, show_plan: Callable[[Planned], None], console: Console) -> int:
    """Train the model of the config; with `dry` only show what would run."""
    config = load_config(overrides)
    steps = plan_training(config, current_lock(config))
    if dry:
        show_plan([(step, config) for step in unique([steps])])
        return 0
    steps = unique([plan_training(config, refreshed_lock(config, steps))])
    planned = [(step, config) for step in steps]
    check_memory(planned)
    check_disk(planned)
    for line in explain.check_code(steps, config.run.strict):
        console.print(f"note: {line}")
    runs.begin_run(steps, config, overrides)
    outcome = carry_out([steps], config)
    if outcome is None:
        return 0
    runs.finish_run(steps)
    trained = steps[-1]
    figures = trained.metrics()
    if trained not in outcome.made:
        console.print("Nothing to do: the model was trained before.")
    loss = f", the last loss {figures['loss']:.3f} nats a token" if figures["loss"] is not None else ""
    console.print(f"Trained on {figures['tokens']:,} tokens in {figures['steps']:,} steps{loss}.")
    console.print(f"Adapted model: {trained.folder}")
    return 0
