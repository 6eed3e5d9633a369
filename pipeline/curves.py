"""`make curves`: the adapted model against the source model with its own tokenizer, over bytes and over operations."""

import json
from collections.abc import Sequence

from pipeline import runs
from pipeline.config import absent_domain, choices, load_config
from pipeline.console import console
from pipeline.curves_graph import Pairing, curves
from pipeline.errors import UserError
from pipeline.execute import Planned, execute
from pipeline.plan import Step, unique
from pipeline.plan_table import show_plan
from pipeline.registry import unknown
from pipeline.settings import Config
from pipeline.sources import current_lock, refreshed_lock


def pair(overrides: Sequence[str]) -> list[Pairing]:
    """Return the config of each replay and seed that the config asks for.

    Raises UserError for a config in which there is nothing to compare, or nothing to draw, and for a replay that there
    is not.
    """
    config = load_config(overrides)
    if problems := _problems(config):
        raise UserError("\n".join(problems))
    return [
        Pairing(replay, seed, load_config([*overrides, f"replay={replay}", f"training.seed={seed}"]))
        for replay in dict.fromkeys(config.curves.replay)
        for seed in dict.fromkeys(config.curves.seeds)
    ]


def _problems(config: Config) -> list[str]:
    problems = [
        unknown("replay (curves.replay)", name, choices("replay"))
        for name in config.curves.replay
        if name not in choices("replay")
    ]
    if config.mapping.keeps_tokenizer:
        problems.append("curves compare two tokenizers, and mapping=keep has one; choose another mapping")
    if config.training.objective == "masked":
        problems.append("curves compare bits per byte, which training.objective=masked has none of; train a decoder")
    if config.training.watch is None:
        problems.append("curves are drawn from held-out text, and training.watch=null looks at none; leave it out")
    return problems


def run_curves(overrides: Sequence[str], dry: bool) -> int:
    """Train the adapted and the source model alike; compare them at equal bytes and at equal operations."""
    pairings = pair(overrides)
    config = pairings[0].config
    if config.leaderboard.other_domain is None:
        console.print(f"note: one domain is watched; {absent_domain(overrides)}")
    plan = curves(config, current_lock(config), pairings)
    if dry:
        show_plan(with_config(plan, pairings))
        return 0
    plan = curves(config, refreshed_lock(config, plan), pairings)
    if execute([plan], [config], overrides, with_config(plan, pairings)) is None:
        return 0
    runs.finish_run(plan)
    found = json.loads((plan[-1].folder / "training_curves.json").read_text(encoding="utf-8"))
    for claim in found["claims"]:
        console.print(claim)
    console.print(f"Report: {plan[-1].folder / 'report.html'}")
    return 0


def with_config(plan: Sequence[Step], pairings: Sequence[Pairing]) -> Planned:
    """Return each step once, with a config that it is planned for: a training with that of its replay and seed."""
    configs = {pairing.name: pairing.config for pairing in pairings}
    owners = {
        step.fingerprint: configs[name.removeprefix("adapted_").removeprefix("source_finetuned_")]
        for name, step in plan[-1].inputs.items()
        if step.stage.name == "continue_pretraining"
    }
    return [(step, owners.get(step.fingerprint, pairings[0].config)) for step in unique([plan])]
