"""Runs: a folder of links to what one run used, and `latest`, the newest of them.

`python -m pipeline.runs FOLDER` finishes a run that was begun, as the last job of a chain does.
"""

import json
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pipeline import lock, store
from pipeline.config import as_yaml
from pipeline.errors import UserError
from pipeline.plan import Step
from pipeline.settings import Config

RUN = "run.json"
LINKED = {
    "report": ("results.json", "report.html"),
    "leaderboard": ("leaderboard.json",),
    "training_curves": ("training_curves.json",),
    "corpus": ("corpus.json",),
    "corpus_report": ("corpus_report.json",),
    "translation": ("translation.json",),
    "question_answering": ("question_answering.json",),
}
"""By artifact: files that stand in the run's folder itself."""
KEPT = (
    "leaderboard.json",
    "training_curves.json",
    "corpus_report.json",
    "translation.json",
    "question_answering.json",
)
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
    made = named(steps)
    record = {
        "overrides": list(overrides),
        "fingerprints": {name: step.fingerprint for name, step in made.items()},
        "folders": {name: f"{step.folder.parent.name}/{step.folder.name}" for name, step in made.items()},
        "last": steps[-1].name,
    }
    store.write_json(folder / RUN, record)


def is_begun(steps: Sequence[Step]) -> bool:
    """Whether somebody started the plan's run."""
    return (run_folder(steps) / RUN).exists()


def is_finished(steps: Sequence[Step]) -> bool:
    """Whether the artifacts of the plan's run are linked."""
    return (run_folder(steps) / steps[-1].name).exists()


def finish_run(steps: Sequence[Step]) -> Path:
    """Finish the run of a finished plan, and return its folder."""
    return finish_begun(run_folder(steps))


def finish_begun(folder: Path) -> Path:
    """Link the artifacts of a begun run whose steps are all made, point `latest` at it, and return its folder.

    What was written down at its begin is enough: no configuration is read, which may have changed since. `latest` keeps
    the leaderboard, the curves and the corpus report of the run before where this one makes none, and the adaptation
    where this one has none; each file names its own run. Raises UserError where a step is not made.
    """
    record = _read_run(folder / RUN)
    made, last, latest = record["folders"], record["last"], folder.parent.parent / "latest"
    artifacts = folder.parents[2]
    if missing := [name for name, place in made.items() if store.read_manifest(artifacts / place) is None]:
        raise UserError(f"run {folder.name} is not finished: {', '.join(missing)}; start it again to go on")
    for link, place in made.items():
        store.replace_link(folder / link, f"../../../{place}")
    own = {name: artifact for artifact in LINKED if artifact in made for name in LINKED[artifact]}
    for name, artifact in own.items():
        store.replace_link(folder / name, f"{artifact}/{name}")
    if "report" not in made and (artifacts / made[last] / "report.html").is_file():
        store.replace_link(folder / "report.html", f"{last}/report.html")
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
    return sorted(artifacts.glob(f"*/runs/*/{RUN}"))


def fingerprints(path: Path) -> list[str]:
    """Return the fingerprints of what a run uses, given its run.json. Raises UserError for a damaged one."""
    return list(_read_run(path)["fingerprints"].values())


def _read_run(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        record = {}
    if "fingerprints" not in record:
        raise UserError(f"{path} is damaged; remove {path.parent}, and start that run again if you need it")
    return record


def garbage(artifacts: Path) -> list[store.Found]:
    """Return the folders that no run reaches, sorted: finished artifacts, failed attempts, and unfinished ones.

    Not among them: an unfinished attempt that a run reaches (it may hold checkpoints to go on from), and what a live
    process is making.
    """
    kept = reachable(artifacts)
    return [one for one in store.artifact_folders(artifacts) if is_garbage(one, kept)]


def is_garbage(one: store.Found, kept: Collection[str]) -> bool:
    """Whether a folder is none of those that runs reach, by their short fingerprints, and nobody is making it now."""
    reached = one.short in kept and one.attempt in ("", "unfinished")
    return not reached and not lock.holder(one.work / "lock")


def finish_command(folder: Path) -> list[str]:
    """Return the command that finishes a begun run in a process of its own."""
    return [sys.executable, "-m", "pipeline.runs", str(folder)]


def main(arguments: Sequence[str]) -> int:
    """Finish the run whose folder is given; a UserError is one clear line and exit status 2."""
    try:
        print(f"finished {finish_begun(Path(arguments[0]))}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
