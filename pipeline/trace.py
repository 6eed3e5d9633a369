"""Where a source went: every artifact that was made from a data card, directly or through others."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import runs, store
from pipeline.cards import CARDS
from pipeline.errors import UserError
from pipeline.registry import unknown

MODEL = "_model"
"""How the names of artifacts end that are weights to be run."""


@dataclass(frozen=True)
class Made:
    """What is known of an artifact, finished or not, or only of its recipe where its folder was removed."""

    fingerprint: str
    artifact: str
    """Its final name."""
    folder: Path | None
    """Where it lies; None for one that was removed and may still be inside others."""
    state: str
    """`finished`, `unfinished`, `failed-N`, `deleting-X`, `removed`."""
    date: str
    """When it was begun, as its manifest says; empty where there is none."""
    cards: frozenset[str]
    """Data cards that its recipe names."""
    inputs: frozenset[str]
    """Fingerprints."""

    @property
    def is_model(self) -> bool:
        """Whether it is weights that were made here; a model that was fetched has no sources of ours."""
        return self.artifact.rpartition("-")[0].endswith(MODEL)


@dataclass(frozen=True)
class Trace:
    """The answer: what contains a source, and in which runs it is linked."""

    source: str
    made: tuple[Made, ...]
    runs: Mapping[str, tuple[str, ...]]
    """Runs such as `dutch/1f0c...` by fingerprint."""
    untold: tuple[Made, ...]
    """Artifacts with an input of which nothing is recorded here, so that nobody can tell what they contain."""


def trace(artifacts: Path, source: str, folder: Path = CARDS) -> Trace:
    """Return everything below the artifact folder that contains a data card's text.

    Raises UserError for a source that neither data_cards/ nor any artifact knows, and for a damaged record.
    """
    found = list(records(artifacts))
    known = {path.stem for path in folder.glob("*.md")}.union(*(one.cards for one in found))
    if source not in known:
        wrong = unknown("source", source, known) if source else f"which source? Available: {', '.join(sorted(known))}"
        raise UserError(f"{wrong}. Give the name of a data card: SOURCE=name")
    inside = containing(source, found)
    there = [one for one in found if one.folder is not None]
    recorded = {one.fingerprint for one in found}
    return Trace(
        source,
        made=tuple(one for one in there if one.fingerprint in inside),
        runs=_linked(artifacts),
        untold=tuple(one for one in there if one.fingerprint not in inside and one.inputs - recorded),
    )


def containing(source: str, found: Iterable[Made]) -> set[str]:
    """Return the fingerprints of what names a data card, or has an input that contains it."""
    found = list(found)
    users: dict[str, set[str]] = {}
    for one in found:
        for fingerprint in one.inputs:
            users.setdefault(fingerprint, set()).add(one.fingerprint)
    inside: set[str] = set()
    waiting = [one.fingerprint for one in found if source in one.cards]
    while waiting:
        fingerprint = waiting.pop()
        if fingerprint not in inside:
            inside.add(fingerprint)
            waiting += users.get(fingerprint, ())
    return inside


def records(artifacts: Path) -> Iterator[Made]:
    """Yield all that manifests and step files tell, sorted by path; a removed artifact's step file is still there.

    Raises UserError for a damaged record: what it does not tell might be a source.
    """
    seen: set[Path] = set()
    for found in store.artifact_folders(artifacts):
        seen.add(found.work)
        manifest = None if found.attempt else store.read_manifest(found.folder)
        recipe = manifest or _step(found.work)
        if recipe:
            date = (manifest or {}).get("started", "")
            yield _made(recipe, found.artifact, found.folder, found.attempt or "finished", date)
    for work in sorted(artifacts.glob(f"*/{store.STEPS}/*-*")):
        if work not in seen and (step := _step(work)):
            yield _made(step, work.name, None, "removed", "")


def _made(record: Mapping[str, Any], artifact: str, folder: Path | None, state: str, date: str) -> Made:
    recipe = record["recipe"]
    cards = frozenset(card["name"] for card in recipe.get("settings", {}).get("cards", ()))
    inputs = frozenset(recipe.get("inputs", {}).values())
    return Made(record["fingerprint"], artifact, folder, state, date, cards, inputs)


def _step(work: Path) -> dict[str, Any] | None:
    path = work / "step.json"
    try:
        step: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {"recipe": step["recipe"], "fingerprint": step["fingerprint"]}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{path} is damaged, so that nobody can tell what {work.name} contains; remove {work} and the artifact"
        ) from None


def _linked(artifacts: Path) -> dict[str, tuple[str, ...]]:
    """Return the names of the runs that use each artifact, by its fingerprint."""
    linked: dict[str, list[str]] = {}
    for path in runs.run_files(artifacts):
        for fingerprint in dict.fromkeys(runs.fingerprints(path)):
            linked.setdefault(fingerprint, []).append(f"{path.parent.parent.parent.name}/{path.parent.name}")
    return {fingerprint: tuple(names) for fingerprint, names in linked.items()}
