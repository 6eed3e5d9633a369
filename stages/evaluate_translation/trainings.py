"""What the compared systems were tuned on, and whether it was alike."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.evaluate_translation.settings import REPAIRED
from stages.shared.artifact import read_json

NEAR = 0.01
"""Share by which the bytes of two systems may differ and still be called equal."""


def trained_alike(systems: tuple[str, ...], inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Return training.json of the systems tuned on pairs.

    Raises ValueError where two of the same treatment, all but the first part of their names, saw other pairs or steps.
    """
    found = {}
    for system in systems:
        path = inputs[f"system_{system}"] / "training.json"
        described = read_json(path) if path.is_file() else {}
        if "pairs_sha256" in described:
            found[system] = described
    # Matches in the prompts change neither pairs nor steps.
    treatments = {system: system.removesuffix(REPAIRED).partition("_")[2] for system in found}
    for treatment in sorted(set(treatments.values())):
        alike = {system: one for system, one in found.items() if treatments[system] == treatment}
        if len({(one["pairs_sha256"], one["steps"]) for one in alike.values()}) > 1:
            raise ValueError(f"the systems {', '.join(alike)} were tuned on different pairs and cannot be compared")
    return found


def unequal(training: Mapping[str, Any]) -> list[str]:
    """Return in what back-translated pairs did not suffice to be as many as ParFT's, of as many bytes, in sentences."""
    if "hydra_parft" not in training or "hydra_backft" not in training:
        return []
    like, made = training["hydra_parft"], training["hydra_backft"]
    share = made["bytes"]["target"] / like["bytes"]["target"]
    found = []
    if made["steps"] != like["steps"]:
        found.append(f"BackFT took {made['steps']:,} steps, ParFT {like['steps']:,}")
    if abs(share - 1) > NEAR:
        found.append(f"BackFT saw {100 * share:.0f} % of the bytes of translations that ParFT saw")
    if (different := made.get("different_pairs", made["pairs"])) < made["pairs"]:
        found.append(f"there are {different:,} different back-translated pairs, which came again")
    return found
