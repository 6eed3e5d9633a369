"""Runs: a folder of links to what one run used, and `latest`, the newest of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import lock, store
from pipeline.config import Config, as_yaml
from pipeline.plan import Step

LINKED = ("results.json", "report.html")


def run_folder(steps: Sequence[Step]) -> Path:
    """Return the folder of the run.

    Its id is that of the report, which depends on all the rest: the same config is the same run.
    """
    report = steps[-1]
    return report.folder.parent / "runs" / report.fingerprint[: store.SHORT]


def begin_run(steps: Sequence[Step], config: Config, overrides: Sequence[str]) -> None:
    """Write down what the run will use, before it starts, so that `make gc` spares it."""
    folder = run_folder(steps)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(as_yaml(config), encoding="utf-8")
    fingerprints = {step.name: step.fingerprint for step in steps}
    store.write_json(folder / "run.json", {"overrides": list(overrides), "fingerprints": fingerprints})


def finish_run(steps: Sequence[Step]) -> Path:
    """Link the artifacts of a finished plan into its run, point `latest` at it, and return the run's folder."""
    folder = run_folder(steps)
    for step in steps:
        store.replace_link(folder / step.name, f"../../../{step.folder.parent.name}/{step.folder.name}")
    for name in LINKED:
        store.replace_link(folder / name, f"report/{name}")
    store.replace_link(folder.parent.parent / "latest", f"runs/{folder.name}")
    return folder


def read_results(steps: Sequence[Step]) -> dict[str, Any]:
    """Return results.json of a finished plan."""
    return json.loads((steps[-1].folder / "results.json").read_text(encoding="utf-8"))


def reachable(artifacts: Path) -> set[str]:
    """Return the fingerprints that some run uses."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in artifacts.glob("*/runs/*/run.json")]
    return {fingerprint for run in runs for fingerprint in run["fingerprints"].values()}


def garbage(artifacts: Path) -> list[Path]:
    """Return the folders that no run reaches, sorted: finished artifacts, failed attempts, and unfinished ones.

    Not among them: an unfinished attempt that a run reaches (it may hold checkpoints to go on from), and what a live
    process is making.
    """
    kept = {fingerprint[: store.SHORT] for fingerprint in reachable(artifacts)}
    found = []
    for folder in sorted(path for path in artifacts.glob("*/*-*") if path.is_dir() and not path.is_symlink()):
        name, _, attempt = folder.name.partition(".")
        reached = name.rpartition("-")[2] in kept and not attempt.startswith("failed")
        ours = attempt or store.read_manifest(folder)
        if ours and not reached and not lock.holder(folder.parent / "steps" / name / "lock"):
            found.append(folder)
    return found
