"""What the report was made from; no times, hosts or folders, which would change its bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.shared.artifact import read_json

SHORT = 12


def read_manifests(inputs: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Return the manifest of each input that has one, sorted by name."""
    paths = {name: inputs[name] / "manifest.json" for name in sorted(inputs)}
    return {name: read_json(path) for name, path in paths.items() if path.is_file()}


def recipes(manifests: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return name, stage and short recipe hash of each artifact."""
    return [
        {
            "name": name,
            "stage": manifest.get("stage") or manifest.get("recipe", {}).get("stage", ""),
            "fingerprint": str(manifest.get("fingerprint", ""))[:SHORT],
        }
        for name, manifest in manifests.items()
    ]


def versions(manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the version of each library that some artifact was made with; several are joined by a comma."""
    found: dict[str, set[str]] = {}
    for manifest in manifests.values():
        for library, version in (manifest.get("versions") or {}).items():
            if version:
                found.setdefault(library, set()).add(str(version))
    return {library: ", ".join(sorted(found[library])) for library in sorted(found)}


def read_cards(inputs: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return the data cards of corpus, bitexts, dictionary and tuning with their counts; a role is like `bitext ru`."""
    cards = []
    files = {"corpus": "corpus", "bitext": "bitext", "dictionary": "dictionary"}
    files |= {"instructions": "instructions", "preferences": "instructions"}
    for kind, file in files.items():
        for name in sorted(name for name in inputs if name.partition("_")[0] == kind):
            found = read_json(inputs[name] / f"{file}.json")
            for card in found.get("sources", found.get("cards", [])):
                dropped = sum((card.get("dropped") or {}).values())
                cards.append({**card, "role": name.replace("_", " "), "dropped_total": dropped})
    return cards
