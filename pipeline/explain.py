"""Why a step would run, and what state it is in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import lock, store
from pipeline.errors import UserError
from pipeline.plan import Step
from pipeline.provenance import stage_digest
from pipeline.stage import CHECKPOINTS

CHOICES = ("method", "kind")
"""Keys that say which of several forms a section has."""


def state(step: Step) -> str:
    """Return `finished`, `running`, `failed`, or `not made`."""
    if step.finished:
        return "finished"
    if lock.holder(step.work / "lock"):
        return "running"
    return "failed" if (step.work / store.BEGUN).exists() and newest_log(step.work) else "not made"


def newest_log(work: Path) -> Path | None:
    """Return the log of the last attempt, None where there was none."""
    return max(work.glob("logs/*.log"), default=None, key=lambda path: path.name)


def reason(step: Step) -> str:
    """Return in a few words why the step would run, or that it would not."""
    if step.finished:
        return "code changed since" if code_changed(step) else ""
    if step.stage.resumes and any(store.unfinished(step.folder).glob(f"{CHECKPOINTS}/*")):
        return "goes on from its checkpoints"
    remade = [name for name, other in step.inputs.items() if not other.finished]
    nearest = _nearest(step)
    if nearest is None:
        return "not made yet"
    changes = list(_changes(nearest["recipe"], step.recipe))
    if changes:
        return "; ".join(changes[:3]) + ("; ..." if len(changes) > 3 else "")
    return f"its input changed: {', '.join(remade)}" if remade else "its inputs changed"


def code_changed(step: Step) -> bool:
    """Tell whether the stage's code differs from the code that made the finished artifact."""
    manifest = store.read_manifest(step.folder)
    return manifest is not None and manifest["stage_digest"] != stage_digest(step.stage.name)


def check_code(steps: Sequence[Step], strict: bool) -> list[str]:
    """Return a line where the code of finished steps changed since; raise UserError instead where `strict`."""
    changed = [step.name for step in steps if code_changed(step)]
    if not changed:
        return []
    message = f"the code of these steps changed since they were made: {', '.join(dict.fromkeys(changed))}"
    if strict:
        raise UserError(f"{message}. Raise the stage's version, or run without run.strict=true")
    return [f"{message}; they are kept (a changed result needs a higher stage version)"]


def _nearest(step: Step) -> Mapping[str, Any] | None:
    """Return the manifest of the finished artifact of the same role whose settings differ least."""
    folders = step.folder.parent.glob(f"{step.stage.makes}-*/{store.MANIFEST}")
    manifests = [manifest for path in sorted(folders) if (manifest := store.read_manifest(path.parent))]
    manifests = [manifest for manifest in manifests if manifest["name"] == step.name]
    return min(manifests, key=lambda manifest: len(list(_changes(manifest["recipe"], step.recipe))), default=None)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before = {**_flat(old["settings"]), **_flat(old["libraries"]), "version": old["version"]}
    after = {**_flat(new["settings"]), **_flat(new["libraries"]), "version": new["version"]}
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    keys.sort(key=lambda key: key.rpartition(".")[2] not in CHOICES)  # another choice brings other keys with it
    return [_change(key, before.get(key), after.get(key)) for key in keys]


def _change(key: str, old: Any, new: Any) -> str:
    texts = f"{key}: {_short(old)}", _short(new)
    return f"{texts[0]} -> {texts[1]}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:21]}..."


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat |= _flat(item, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = item
    return flat


def find_step(steps: list[Step], name: str) -> Step | None:
    """Return the step called `name`, by its role or by its artifact's folder; None where there is none."""
    return next((step for step in steps if name in (step.name, step.folder.name, step.stage.name)), None)
