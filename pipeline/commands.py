"""The commands of `python -m pipeline`, one function each; every one returns an exit status."""

import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from pipeline import explain, graph, runs, store
from pipeline.config import as_yaml, languages, load_config, split_sweep
from pipeline.console import console
from pipeline.errors import UserError
from pipeline.estimate import existing
from pipeline.execute import execute, with_config
from pipeline.job_status import failure_lines, statuses
from pipeline.plan import Step, only, unique
from pipeline.plan_table import show_plan, size_words
from pipeline.registry import unknown
from pipeline.runner import run_plan
from pipeline.settings import Config
from pipeline.sources import current_lock, refreshed_lock, write_newest_lock
from stages.describe_corpus.table import corpus_table
from stages.write_report.table import comparison_table, results_table


def adapt(overrides: Sequence[str], multirun: bool) -> int:
    """Run everything that is not made yet, for one config or for each of a multirun; end with the table."""
    jobs, configs = _configs(overrides, multirun)
    plans = [_planned_to_run(config) for config in configs]
    steps = unique(plans)
    outcome = execute(plans, configs, overrides)
    if outcome is None:
        return 0
    folders = [runs.finish_run(plan) for plan in plans]
    if not outcome.made:
        console.print(f"Nothing to do: all {len(outcome.kept)} steps were finished before.")
    else:
        minutes = outcome.seconds / 60
        console.print(f"Made {len(outcome.made)} of {len(steps)} steps in {minutes:.1f} minutes.{_rates(outcome.made)}")
    unmeasured = [folder for folder, plan in zip(folders, plans, strict=True) if plan[-1].name != "report"]
    if unmeasured:
        for folder in unmeasured:
            console.print(f"Model: {folder / 'adapted_model'} (an encoder; evaluating encoders is not there yet)")
        return 0
    if multirun:
        labels = [_label(job, overrides) for job in jobs]
        console.print(
            comparison_table([(label, runs.read_results(plan)) for label, plan in zip(labels, plans, strict=True)])
        )
    else:
        console.print(results_table(runs.read_results(plans[0])))
    for folder in folders:
        console.print(f"Report: {folder / 'report.html'}")
    return 0


def _configs(overrides: Sequence[str], multirun: bool) -> tuple[list[list[str]], list[Config]]:
    """Return the overrides and the config of each job: one, or every combination of a multirun.

    Raises UserError for a sweep over what all jobs share.
    """
    jobs = split_sweep(overrides) if multirun else [list(overrides)]
    configs = [load_config(job) for job in jobs]
    for section in ("machine", "cluster", "run"):
        if any(getattr(config, section) != getattr(configs[0], section) for config in configs):
            raise UserError(f"a multirun has one {section}: give {section} settings a single value")
    return jobs, configs


def _planned(config: Config) -> list[Step]:
    """Plan with the versions known so far; touches no network."""
    return graph.adapt(config, current_lock(config))


def _planned_to_run(config: Config) -> list[Step]:
    """Plan with versions that can be had now, so that the plan is exact before anything runs."""
    return graph.adapt(config, refreshed_lock(config, _planned(config)))


def _label(job: Sequence[str], overrides: Sequence[str]) -> str:
    """Return what sets a job apart: the swept overrides."""
    return " ".join(value for value in job if value not in overrides) or "run"


def _rates(made: Sequence[Step]) -> str:
    rates = [rate for step in made if (rate := step.metrics().get("tokens_per_s"))]
    return f" This machine trained at {rates[-1]:.0f} tokens/s." if rates else ""


def plan(overrides: Sequence[str], multirun: bool) -> int:
    """Show what would run and why, with tokens, disk and time; run nothing."""
    _, configs = _configs(overrides, multirun)
    show_plan(with_config([_planned(config) for config in configs], configs))
    return 0


def corpus(overrides: Sequence[str], dry: bool) -> int:
    """Ingest the corpus alone; end with its report."""
    config = load_config(overrides)
    if dry:
        show_plan(with_config([graph.corpus(config, current_lock(config))], [config]))
        return 0
    steps = graph.corpus(config, refreshed_lock(config, graph.corpus(config, current_lock(config))))
    if execute([steps], [config], overrides) is None:
        return 0
    folder = runs.finish_run(steps)
    console.print(corpus_table(json.loads((folder / "corpus.json").read_text(encoding="utf-8"))))
    console.print(f"Report: {folder / 'report.html'}")
    return 0


def fetch(overrides: Sequence[str], multirun: bool) -> int:
    """Run only the stages that need the network, which download and ingest, for a login node."""
    _, configs = _configs(overrides, multirun)
    plans = [_planned_to_run(config) for config in configs]
    for plan, config in zip(plans, configs, strict=True):
        runs.begin_run(plan, config, overrides)  # so that `make gc` spares what is fetched
    outcome = run_plan(only(unique(plans), lambda step: step.stage.uses_network), configs[0])
    console.print(f"Fetched: {len(outcome.made)} made, {len(outcome.kept)} were there. The rest runs without network.")
    return 0


def status(overrides: Sequence[str], multirun: bool) -> int:
    """Show for each step whether it is finished, running where, queued, or failed with which log; finish a done run."""
    _, configs = _configs(overrides, multirun)
    plans = [_planned(config) for config in configs]
    found = statuses(unique(plans))
    table = Table("step", "artifact", "state", "details")
    for one in found:
        table.add_row(one.step.name, one.step.folder.name, one.state, one.details)
    console.print(table)
    for one in found:
        if one.state == "running" and one.log:  # below the table, where no column's width cuts the path
            console.print(f"{one.step.name} writes {one.log}")
    for line in failure_lines(found):
        console.print(line)
    for steps in plans:
        if runs.is_begun(steps) and all(step.finished for step in steps) and not runs.is_finished(steps):
            console.print(f"Finished {runs.finish_run(steps)}")
    return 0


def logs(overrides: Sequence[str], name: str) -> int:
    """Print the newest log of a step."""
    config = load_config(overrides)
    steps = _planned(config)
    step = explain.find_step(steps, name)
    if step is None:
        raise UserError(unknown("step", name, [step.name for step in steps]))
    log = explain.newest_log(step.work)
    if log is None:
        raise UserError(f"{step.name} has not run yet, so it has no log")
    console.print(f"# {log}")
    print(log.read_text(encoding="utf-8", errors="replace"))
    return 0


def explain_token(overrides: Sequence[str], token: str) -> int:
    """Show where a token's embedding comes from: its source tokens, the aligned words behind them, its neighbours."""
    config = load_config(overrides)
    if config.mapping.keeps_tokenizer:
        raise UserError("mapping=keep has no new tokens to explain: the base model's rows are its own")
    initialized = next(step for step in _planned(config) if step.name == "initialized_model")
    if not initialized.finished:
        others = [word for word in overrides if word != f"language={config.language.name}"]
        more = f" ARGS={shlex.quote(shlex.join(others))}" if others else ""
        remedy = f"run `make adapt LANG={config.language.name}{more}` first"
        raise UserError(f"the initialized model of this config, {initialized.folder.name}, is not made yet: {remedy}")
    from stages.map_embeddings.explanation import explain as explained  # imports torch
    from stages.map_embeddings.explanation_tables import explanation_tables

    folders = {name: step.folder for name, step in initialized.inputs.items()}
    least = config.mapping.options.get("min_count", 0)
    found = explained(token, {**folders, initialized.name: initialized.folder}, int(least))
    for part in explanation_tables(found):
        console.print(part)
    return 0


def config(overrides: Sequence[str], multirun: bool) -> int:
    """Print the composed and checked configuration."""
    print(as_yaml(load_config(overrides)))
    return 0


def lock_sources() -> int:
    """Pin the newest versions of all packaged sources in data_cards/lock.json."""
    count = write_newest_lock([load_config([f"language={name}"]) for name in languages()])
    console.print(f"Pinned {count} files in data_cards/lock.json.")
    return 0


def verify(artifacts: Path) -> int:
    """Hash every finished artifact again; exit status 1 where one differs from its manifest."""
    folders = list(store.final_artifacts(artifacts))
    problems = [problem for folder in folders for problem in store.verify(folder)]
    for problem in problems:
        console.print(problem)
    console.print(f"{len(folders)} artifacts checked, {len(problems)} problems.")
    if problems:
        console.print("Remove a damaged artifact's folder; the next run makes it again.")
    return 1 if problems else 0


def du(artifacts: Path) -> int:
    """Show the disk that each artifact takes, and what `make gc` would free."""
    unreached = {found.folder for found in runs.garbage(artifacts)}
    table = Table("artifact", "size", "")
    table.columns[1].justify = "right"
    downloads = [path for path in artifacts.glob("downloads") if path.is_dir()]
    folders = [*(found.folder for found in store.artifact_folders(artifacts)), *downloads]
    sizes = {folder: store.folder_size(folder) for folder in folders}
    for folder, size in sorted(sizes.items(), key=lambda item: -item[1]):
        table.add_row(
            str(folder.relative_to(artifacts)), size_words(size), "no run uses it" if folder in unreached else ""
        )
    console.print(table)
    free = shutil.disk_usage(existing(artifacts)).free
    console.print(f"{size_words(store.folder_size(artifacts))} in all under {artifacts}, {size_words(free)} free.")
    return 0


def gc(artifacts: Path, apply: bool) -> int:
    """Say what no run reaches; remove it if told."""
    found = runs.garbage(artifacts)
    for one in found:
        told = f"{one.folder} ({size_words(store.folder_size(one.folder))})"
        if not apply:
            console.print(f"would remove {told}")
        elif runs.is_garbage(one, runs.reachable(artifacts)):  # the others have taken minutes: a run may have begun
            console.print(f"removing {told}")
            store.remove(one.folder)
        else:
            console.print(f"keeping {told}: a run that has begun since uses it")
    console.print(
        f"{len(found)} folders." + ("" if apply or not found else " Nothing was removed; APPLY=1 removes them.")
    )
    if used := [str(path.parent) for path in runs.run_files(artifacts)]:
        console.print("Kept for these runs; remove a run's folder to let go of what it alone uses:", *used, sep="\n  ")
    return 0
