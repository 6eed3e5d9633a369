"""The evaluated systems, read from their artifacts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.shared.artifact import read_json

TRAINED_MODELS = {"adapted": "adapted_model", "source_finetuned": "source_finetuned_model"}
NAMES = {
    "source": "Source",
    "source_finetuned": "Source, fine-tuned",
    "random": "Random start",
    "mapped": "Mapped",
    "adapted": "Adapted",
    "merged": "Merged late",
}


@dataclass(frozen=True)
class System:
    """One evaluated model."""

    name: str
    evaluation: dict[str, Any]
    """evaluation.json."""
    samples: list[dict[str, Any]]
    """samples.json."""
    curve: list[dict[str, Any]]
    """metrics.jsonl of its training, the optimizer steps that have a loss; empty where it was not trained."""
    tokens_trained: int
    """Tokens seen in training."""

    @property
    def label(self) -> str:
        """The name to show."""
        return NAMES.get(self.name, self.name)


def read_systems(names: Sequence[str], inputs: Mapping[str, Path]) -> list[System]:
    """Read the evaluation of each system and the loss of those that were trained.

    Raises ValueError where two systems were scored on different text.
    """
    systems = []
    for name in names:
        folder, trained = inputs[f"evaluation_{name}"], inputs.get(TRAINED_MODELS.get(name, ""))
        steps = read_steps(trained / "metrics.jsonl") if trained else []
        system = System(
            name=name,
            evaluation=read_json(folder / "evaluation.json"),
            samples=read_json(folder / "samples.json"),
            curve=[step for step in steps if step["loss"] is not None],
            tokens_trained=steps[-1]["tokens"] if steps else 0,
        )
        systems.append(system)
    samples = {system.evaluation["sample"]["sha256"] for system in systems}
    if len(samples) > 1:
        raise ValueError(f"the systems {', '.join(names)} were scored on different text and cannot be compared")
    return systems


def read_steps(path: Path) -> list[dict[str, Any]]:
    """Read metrics.jsonl; the loss of a step that was skipped is None."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]
