"""The evaluated systems, read from their artifacts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.shared.artifact import read_json, read_json_lines

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
    looks: list[dict[str, Any]]
    """held_out.jsonl of its training; empty where nothing was watched."""
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
        steps = read_json_lines(trained / "metrics.jsonl") if trained else []
        watched = trained / "held_out.jsonl" if trained else None
        system = System(
            name=name,
            evaluation=read_json(folder / "evaluation.json"),
            samples=read_json(folder / "samples.json"),
            curve=[step for step in steps if step["loss"] is not None],
            looks=read_json_lines(watched) if watched and watched.is_file() else [],
            tokens_trained=steps[-1]["tokens"] if steps else 0,
        )
        systems.append(system)
    samples = {system.evaluation["sample"]["sha256"] for system in systems}
    if len(samples) > 1:
        raise ValueError(f"the systems {', '.join(names)} were scored on different text and cannot be compared")
    return systems
