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
}
"""By artifact: files that stand in the run's folder itself."""
LASTING = ("leaderboard.json",)
"""Files that `latest` keeps from the run before, where a run makes none; each names its own run."""


def run_folder(steps: Sequence[Step]) -> Path:
    """Return the folder of the run.

    Its id is that of its last artifact, which depends on all the rest: the same config is the same run.
    """
    last = steps[-1]
    return last.folder.parent / "runs" / last.fingerprint[: store.SHORT]


def begin_run(steps: Sequence[Step], config: Config, overrides: Sequence[str]) -> None:
    """Write down what the run will use, before it starts, so that `make gc` spares it."""
    folder = run_folder(steps)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(as_yaml(config), encoding="utf-8")
    fingerprints = {step.name: step.fingerprint for step in steps}
    store.write_json(folder / "run.json", {"overrides": list(overrides), "fingerprints": fingerprints})


def finish_run(steps: Sequence[Step]) -> Path:
    """Link the artifacts of a finished plan into its run, point `latest` at it, and return the run's folder."""
    folder, latest = run_folder(steps), steps[-1].folder.parent / "latest"
    made = {step.name for step in steps}
    for step in steps:
        store.replace_link(folder / step.name, f"../../../{step.folder.parent.name}/{step.folder.name}")
    for artifact in LINKED.keys() & made:
        for name in LINKED[artifact]:
            store.replace_link(folder / name, f"{artifact}/{name}")
    if "report" not in made:
        store.replace_link(folder / "report.html", "leaderboard/report.html")
    for name in LASTING:
        if not (folder / name).exists() and (latest / name).exists():
            store.replace_link(folder / name, os.path.relpath((latest / name).resolve(), folder))
    store.replace_link(latest, f"runs/{folder.name}")
    return folder


def read_results(steps: Sequence[Step]) -> dict[str, Any]:
    """Return results.json of a finished plan."""
    return json.loads((steps[-1].folder / "results.json").read_text(encoding="utf-8"))


def reachable(artifacts: Path) -> set[str]:
    """Return the short fingerprints that some run uses. Raises UserError for a damaged run.json."""
    return {fingerprint[: store.SHORT] for run in run_files(artifacts) for fingerprint in _fingerprints(run)}


def run_files(artifacts: Path) -> list[Path]:
    """Return the run.json of each run that was ever begun and whose folder is still there."""
    return sorted(artifacts.glob("*/runs/*/run.json"))


def _fingerprints(path: Path) -> list[str]:
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
