"""`make leaderboard`: all mappings probed once, the best ones again in other orders of the text, one table."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import graph, runs
from pipeline.card_lock import Lock
from pipeline.config import absent_domain, choices, chosen_preset, load_config
from pipeline.console import console
from pipeline.errors import UserError
from pipeline.execute import execute, with_config
from pipeline.leaderboard_graph import Entrants, leaderboard
from pipeline.plan import Step
from pipeline.plan_table import show_plan
from pipeline.registry import unknown
from pipeline.settings import Config
from pipeline.sources import current_lock, refreshed_lock
from stages.compare_initializations.table import leaderboard_table


def run_leaderboard(overrides: Sequence[str], dry: bool) -> int:
    """Compare all initialisation methods on the same text and budget; end with the table."""
    config = load_config(overrides)
    entrants = enter(config, overrides)
    for name, reason in entrants.left_out.items():
        console.print(f"note: {name} is left out: {reason}")
    if config.leaderboard.other_domain is None:
        console.print(f"note: one domain is judged; {absent_domain(overrides)}")
    if dry:
        show_plan(with_config([leaderboard(config, current_lock(config), entrants)], [config]))
        return 0
    lock = refreshed_lock(config, leaderboard(config, current_lock(config), entrants))
    plan = _run(config, lock, entrants, overrides)
    if plan is not None and (again := with_seeds(entrants, config, read_leaderboard(plan))) != entrants:
        plan = _run(config, lock, again, overrides)
    folder = None if plan is None else finish(plan, config, lock, overrides)
    if plan is None or folder is None:
        console.print("When they have ended, the same command goes on: what is next depends on their result.")
        return 0
    console.print(leaderboard_table(read_leaderboard(plan)))
    console.print(f"Report: {folder / 'report.html'}")
    return 0


def enter(config: Config, overrides: Sequence[str]) -> Entrants:
    """Return who takes part with the first seed: presets whose config holds, and the baseline.

    Raises UserError for a preset that there is not, or where none is left.
    """
    if config.mapping.keeps_tokenizer:
        raise UserError("a leaderboard compares mappings, and mapping=keep has none; choose another as the default")
    rivals, left_out = {}, {}
    for name in config.leaderboard.methods:
        if name not in choices("mapping"):
            raise UserError(unknown("mapping", name, choices("mapping")))
    for name in dict.fromkeys(config.leaderboard.methods):
        try:
            rivals[name] = load_config([*overrides, f"mapping={name}"])
        except UserError as error:
            left_out[name] = str(error)
    if not rivals:
        raise UserError("\n".join(left_out.values()))
    first = config.leaderboard.seeds[:1]
    rows = [*rivals, *config.leaderboard.baselines]
    return Entrants(rivals, dict.fromkeys(rows, first), chosen_preset("mapping", overrides), left_out)


def with_seeds(entrants: Entrants, config: Config, found: dict[str, Any]) -> Entrants:
    """Return the same with every seed for the best methods, by the end of the first seed, and for the default.

    The best ones are those of the corpus's own domain and the first of the other domain.
    """
    ranked = [row for row in found["methods"] if row["method"] in entrants.rivals]
    elsewhere = sorted((row for row in ranked if row["other_domain"]), key=lambda row: row["other_domain"]["end"])
    best = {row["method"] for row in (*ranked[: config.leaderboard.contenders], *elsewhere[:1])}
    chosen = {*best, entrants.default} if config.leaderboard.contenders else set()
    seeds = {name: config.leaderboard.seeds if name in chosen else first for name, first in entrants.seeds.items()}
    return replace(entrants, seeds=seeds)


def read_leaderboard(plan: Sequence[Step]) -> dict[str, Any]:
    """Return leaderboard.json of a finished plan."""
    return json.loads((plan[-1].folder / "leaderboard.json").read_text(encoding="utf-8"))


def _run(config: Config, lock: Lock, entrants: Entrants, overrides: Sequence[str]) -> list[Step] | None:
    """Make what one plan lacks; return its steps, None where Slurm makes it after this process has ended."""
    plan = leaderboard(config, lock, entrants)
    made = execute([plan], [config], overrides)
    return None if made is None else plan


def finish(plan: Sequence[Step], config: Config, lock: Lock, overrides: Sequence[str]) -> Path | None:
    """Link the leaderboard's run, and put it into the report of the adaptation where that is finished.

    Returns the run's folder, None where Slurm writes that report after this process has ended.
    """
    adaptation = graph.adapt(config, lock, leaderboard=plan[-1])
    if all(step.finished for step in adaptation[:-1]):
        plan = [*plan, *adaptation]
        if execute([plan], [config], overrides) is None:
            return None
    return runs.finish_run(plan)
