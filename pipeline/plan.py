"""From a checked config to the list of steps; nothing runs here."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import store
from pipeline.provenance import library_versions
from pipeline.section import Section
from pipeline.stage import Stage

SHARED = "shared"  # the folder of what does not depend on a language


@dataclass(frozen=True)
class Step:
    """A stage with its settings and inputs: what will be made, and under which name, before anything runs."""

    name: str
    """Its role in the pipeline, for example `source_tokens`; two roles may turn out to be the same artifact."""
    stage: Stage
    settings: Section
    inputs: Mapping[str, "Step"]
    recipe: Mapping[str, Any] = field(repr=False)
    fingerprint: str
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether the artifact is there, whole."""
        return store.read_manifest(self.folder) is not None

    @property
    def work(self) -> Path:
        """Folder of the step file, the lock and the logs, beside the artifacts."""
        return self.folder.parent / store.STEPS / self.folder.name

    def metrics(self) -> dict[str, Any]:
        """Return the metrics of the finished artifact, empty where it is not finished."""
        manifest = store.read_manifest(self.folder)
        return manifest["metrics"] if manifest else {}


class Planner:
    """Collects the steps that a pipeline function asks for, in the order in which they can run."""

    def __init__(self, sections: Mapping[str, Any], artifacts: Path, language: str) -> None:
        self.sections = sections
        self.artifacts = artifacts
        self.language = language
        self.steps: list[Step] = []

    def step(self, stage: Stage, name: str | None = None, *, inputs: Mapping[str, Step], **extras: Any) -> Step:
        """Add one step.

        The fields of the stage's settings are taken from `extras`, and else from the config section of the same name:
        a stage sees nothing more, and exactly that is hashed.
        """
        values = {key: extras[key] if key in extras else self.sections[key] for key in stage.settings.model_fields}
        settings = stage.settings(**values)
        libraries = (*stage.libraries, *settings.libraries)
        recipe = {
            "stage": stage.name,
            "version": stage.version,
            "settings": settings.identity(),
            "inputs": {key: step.fingerprint for key, step in sorted(inputs.items())},
            "libraries": library_versions(libraries) if libraries else {},
        }
        fingerprint = store.fingerprint(recipe)
        of_language = "language" in values or any(step.folder.parent.name != SHARED for step in inputs.values())
        folder = self.artifacts / (self.language if of_language else SHARED) / artifact_name(stage.makes, fingerprint)
        step = Step(name or stage.makes, stage, settings, dict(inputs), recipe, fingerprint, folder)
        self.steps.append(step)
        return step


def artifact_name(makes: str, fingerprint: str) -> str:
    """Return the folder's name, for example `corpus-682c551b6857`."""
    return f"{makes}-{fingerprint[: store.SHORT]}"


def unique(plans: Sequence[Sequence[Step]]) -> list[Step]:
    """Return the union of plans in running order, one step for each artifact."""
    steps: dict[str, Step] = {}
    for plan in plans:
        for step in plan:
            steps.setdefault(step.fingerprint, step)
    return list(steps.values())


def only(steps: Sequence[Step], wanted: Callable[[Step], bool]) -> list[Step]:
    """Return the wanted steps and all that they need, in running order."""
    needed: set[str] = set()
    for step in reversed(steps):
        if wanted(step) or step.fingerprint in needed:
            needed.add(step.fingerprint)
            needed.update(other.fingerprint for other in step.inputs.values())
    return [step for step in steps if step.fingerprint in needed]


def step_file(step: Step, execution: Section, processes: int, nodes: int) -> dict[str, Any]:
    """Return all that a worker must know, as JSON values; processes and nodes are those of a training."""
    return {
        "name": step.name,
        "stage": step.stage.name,
        "makes": step.stage.makes,
        "resumes": step.stage.resumes,
        "processes": processes if step.stage.parallel else 1,
        "nodes": nodes if step.stage.parallel else 1,
        "settings": step.settings.model_dump(mode="json"),
        "recipe": json.loads(store.canonical_json(step.recipe)),
        "fingerprint": step.fingerprint,
        "folder": str(step.folder),
        "inputs": {
            key: {"folder": str(other.folder), "fingerprint": other.fingerprint}
            for key, other in sorted(step.inputs.items())
        },
        "execution": execution.model_dump(mode="json"),
    }
