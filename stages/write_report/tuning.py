"""Instruction tuning in the report: a line a method, and the answers of all models side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.shared.artifact import read_json

MODELS = {"instruct_model": "Instruct (SFT)", "preferred_model": "Preferred (DPO)"}
BEFORE = "Adapted"


def read_tuning(inputs: Mapping[str, Path]) -> dict[str, Any] | None:
    """Return what tuning.json and answers.json of the tuned models say; None where no model was tuned."""
    made = [name for name in MODELS if name in inputs]
    if not made:
        return None
    found = {name: read_json(inputs[name] / "tuning.json") for name in made}
    lines = [{"name": name, "label": MODELS[name], **line, "lost": _lost(line)} for name, line in found.items()]
    answers = [read_json(inputs[name] / "answers.json") for name in made]
    samples = []
    for same in zip(*answers, strict=True):
        texts = [(BEFORE, same[0]["before"])]
        texts += [(MODELS[name], answer["after"]) for name, answer in zip(made, same, strict=True)]
        samples.append({"prompt": same[0]["prompt"], "reference": same[0]["reference"], "texts": texts})
    return {"lines": lines, "samples": samples}


def _lost(line: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return what was cut or left out of the training rows, in words."""
    counts = line["encoding"]["train"]
    return [(key.replace("_", " ").capitalize(), count) for key, count in counts.items() if key != "rows" and count]


def tuning_figures(inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Return what results.json says of each tuned model: method, steps, tokens and the held-out figures."""
    found = read_tuning(inputs)
    shown = ("method", "steps", "tokens", "held_out")
    return {line["name"]: {key: line[key] for key in shown} for line in found["lines"]} if found else {}
