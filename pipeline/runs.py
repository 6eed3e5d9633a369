"""Runs: a folder of links to what one run used, and `latest`, the newest of them."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import lock, store
from pipeline.config import as_yaml
from pipeline.errors import UserError
from pipeline.plan import Step
from pipeline.settings import Config

LINKED = {
    "report": ("results.json", "report.html"),
    "leaderboard": ("leaderboard.json",),
    "corpus": ("corpus.json",),
    "corpus_report": ("corpus_report.json",),
    "translation": ("translation.json",),
}
"""By artifact: files that stand in the run's folder itself."""
KEPT = ("leaderboard.json", "corpus_report.json", "translation.json")
"""Of them, those that `latest` keeps where a run makes none."""


def run_folder(steps: Sequence[Step]) -> Path:
    """Return the folder of the run.

    Its id is that of its last artifact, which depends on all the rest: the same config is the same run.
    """
    last = steps[-1]
    return last.folder.parent / "runs" / last.fingerprint[: store.SHORT]


def named(steps: Sequence[Step]) -> dict[str, Step]:
    """Return the steps by name; of different ones with the same name the last has it, the others go by their folder's.

    A comparison has an alignment for each mapping that wants another.
    """
    found: dict[str, Step] = {}
    for step in reversed(steps):
        taken = found.get(step.name)
        found[step.name if taken is None or taken.fingerprint == step.fingerprint else step.folder.name] = step
    return found


def begin_run(steps: Sequence[Step], config: Config, overrides: Sequence[str]) -> None:
    """Write down what the run will use, before it starts, so that `make gc` spares it."""
    folder = run_folder(steps)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(as_yaml(config), encoding="utf-8")
    fingerprints = {name: step.fingerprint for name, step in named(steps).items()}
    store.write_json(folder / "run.json", {"overrides": list(overrides), "fingerprints": fingerprints})


def finish_run(steps: Sequence[Step]) -> Path:
    """Link the artifacts of a finished plan into its run, point `latest` at it, and return the run's folder.

    `latest` keeps the leaderboard and the corpus report of the run before where this one makes none, and the adaptation
    where this one has none; each file names its own run.
    """
    folder, latest = run_folder(steps), steps[-1].folder.parent / "latest"
    made = named(steps)
    for link, step in made.items():
        store.replace_link(folder / link, f"../../../{step.folder.parent.name}/{step.folder.name}")
    own = {name: artifact for artifact in LINKED if artifact in made for name in LINKED[artifact]}
    for name, artifact in own.items():
        store.replace_link(folder / name, f"{artifact}/{name}")
    if "report" not in made:
        store.replace_link(folder / "report.html", f"{steps[-1].name}/report.html")
    for name in KEPT:
        if name not in own:
            _link_again(latest / name, folder / name)
    if "report" not in made and (latest / "results.json").exists():
        for name in own:  # `latest` stays the adaptation, which this run has no part of
            _link_again(folder / name, latest.resolve() / name)
        return folder
    store.replace_link(latest, f"runs/{folder.name}")
    return folder


def _link_again(path: Path, link: Path) -> None:
    """Make `link` lead where a path ends, if there is something."""
    if path.exists():
        store.replace_link(link, os.path.relpath(path.resolve(), link.parent))


def read_results(steps: Sequence[Step]) -> dict[str, Any]:
    """Return results.json of a finished plan."""
    return json.loads((steps[-1].folder / "results.json").read_text(encoding="utf-8"))


def reachable(artifacts: Path) -> set[str]:
    """Return the short fingerprints that some run uses. Raises UserError for a damaged run.json."""
    return {fingerprint[: store.SHORT] for run in run_files(artifacts) for fingerprint in fingerprints(run)}


def run_files(artifacts: Path) -> list[Path]:
    """Return the run.json of each run that was ever begun and whose folder is still there."""
    return sorted(artifacts.glob("*/runs/*/run.json"))


def fingerprints(path: Path) -> list[str]:
    """Return the fingerprints of what a run uses, given its run.json. Raises UserError for a damaged one."""
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["fingerprints"].values())
    except (ValueError, KeyError):
        raise UserError(f"{path} is damaged; remove {path.parent}, and start that run again if you need it") from None


def garbage(artifacts: Path) -> list[Path]:
    """Return the folders that no run reaches, sorted: finished artifacts, failed attempts, and unfinished ones.

    Not among them: an unfinished attempt that a run reaches (it may hold checkpoints to go on from), and what a live
    process is making.
    """
    kept = reachable(artifacts)
    found = []
    for one in store.artifact_folders(artifacts):
        reached = one.short in kept and one.attempt in ("", "unfinished")
        if not reached and not lock.holder(one.work / "lock"):
            found.append(one.folder)
    return found
