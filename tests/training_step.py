"""The tiny training as a step's folder, for `python -m pipeline.worker`."""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "stages" / "continue_pretraining"))

from training_case import EXECUTION, TRAINING, losses, make_model, make_tokens

from pipeline import store

__all__ = ["artifact", "losses", "make_step", "wait_for_steps", "with_processes"]

LONG = {"global_batch": 4, "validation_tokens": 0}
"""500 optimizer steps of 4 sequences on 16,000 tokens: time enough for a signal."""


def make_step(folder: Path, processes: int = 1, tokens: int = 16_000, nodes: int = 1, **training) -> Path:
    """Write model, tokens and the step's folder, and return that; its name is the artifact's."""
    folder.mkdir(parents=True)
    inputs = {"model": make_model(folder / "model"), "tokens": make_tokens(folder / "tokens", count=tokens)}
    recipe = {"stage": "continue_pretraining", "settings": {"training": TRAINING | LONG | training}}
    fingerprint = store.fingerprint(recipe)
    artifact = folder / f"adapted_model-{fingerprint[: store.SHORT]}"
    work = folder / store.STEPS / artifact.name
    work.mkdir(parents=True)
    for path in inputs.values():
        store.write_json(path / store.MANIFEST, {"fingerprint": path.name})
    step = {
        "name": "adapted_model",
        "stage": "continue_pretraining",
        "makes": "adapted_model",
        "resumes": True,
        "processes": processes,
        "nodes": nodes,
        "settings": recipe["settings"],
        "recipe": recipe,
        "fingerprint": fingerprint,
        "folder": str(artifact),
        "inputs": {name: {"folder": str(path), "fingerprint": path.name} for name, path in inputs.items()},
        "execution": EXECUTION | {"downloads": "downloads", "logs": str(work / "logs")},
    }
    store.write_json(work / "step.json", step)
    return work


def with_processes(work: Path, processes: int) -> None:
    """Have a step run in so many processes from now on."""
    step = json.loads((work / "step.json").read_text())
    store.write_json(work / "step.json", step | {"processes": processes})


def artifact(work: Path) -> Path:
    """Return the folder that the step makes."""
    return work.parent.parent / work.name


def wait_for_steps(work: Path, count: int, running) -> None:
    """Wait until the training has taken so many optimizer steps; `running` says whether there is hope."""
    speed = work / "logs" / "speed.jsonl"
    while not speed.exists() or speed.read_text().count("\n") < count:
        assert running()
        time.sleep(0.05)
