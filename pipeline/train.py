"""`make train`: the adapted model and what it needs, without evaluation and report."""

from collections.abc import Sequence

from pipeline import graph, runs
from pipeline.card_lock import Lock
from pipeline.config import load_config
from pipeline.console import console
from pipeline.execute import execute, with_config
from pipeline.plan import Step, only, unique
from pipeline.plan_table import show_plan
from pipeline.settings import Config
from pipeline.sources import current_lock, refreshed_lock


def plan_training(config: Config, lock: Lock) -> list[Step]:
    """Plan the adapted model alone; it is the last step."""
    return only(graph.adapt(config, lock), lambda step: step.name == "adapted_model")


def run_training(overrides: Sequence[str], dry: bool) -> int:
    """Train the adapted model alone; interrupted, the same command goes on."""
    config = load_config(overrides)
    steps = plan_training(config, current_lock(config))
    if dry:
        show_plan(with_config([steps], [config]))
        return 0
    steps = unique([plan_training(config, refreshed_lock(config, steps))])
    outcome = execute([steps], [config], overrides)
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
