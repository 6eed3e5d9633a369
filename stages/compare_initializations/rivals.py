"""The probes and mappings of a leaderboard, read from their artifacts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stages.compare_initializations.curves import Curve
from stages.compare_initializations.settings import Rival
from stages.shared.artifact import read_json
from stages.shared.bootstrap import group_totals

FINETUNED, SOURCE = "source_finetuned", "source"


@dataclass(frozen=True)
class Entry:
    """One row: a method or a baseline, with its learning curves by domain."""

    name: str
    learning_rate: float | None
    """None for what was not trained."""
    tokens_per_step: int
    """Of its own tokenizer."""
    curves: Mapping[str, Curve]
    made_by: str | None = None
    """Method, aligner, calibration and warm-up."""
    mapped_share: float | None = None
    """None for the source model, whose rows are its own."""
    seconds_to_map: float | None = None
    rate_edge: str | None = None
    """`lowest` or `highest` where the rate is that of all tried, so that a better one may lie beyond."""
    seconds_of_evidence: float | None = None
    """What alignment and vectors took, on the machine that made them."""
    unknown_tokens: int = 0
    """Of all domains: tokens that hide text, so that the bits per byte are too low."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Orders of the text that it was trained in."""
        return tuple(sorted(next(iter(self.curves.values())).nll))


def read_rivals(rivals: Sequence[Rival], inputs: Mapping[str, Path]) -> list[Entry]:
    """Return the rows in the given order; the source model itself comes from its probe before the first step.

    Raises ValueError where two probes were measured on different text or at different steps.
    """
    entries = []
    for rival in rivals:
        probes = {seed: read_json(inputs[f"probe_{rival.name}_{seed}"] / "probe.json") for seed in rival.seeds}
        further = {**_mapping(rival, inputs), **_first_figures(probes[min(probes)])}
        entry = Entry(rival.name, curves=_curves(probes), **further)
        if rival.name == FINETUNED:
            entries.append(_untrained(entry))
        entries.append(entry)
    _check_same(entries)
    return entries


def _first_figures(probe: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is the same for all seeds, from the first one's probe, which chose the learning rate."""
    rate, tried = probe["learning_rate"], {trial["learning_rate"] for trial in probe["selection"]}
    edges = {max(tried): "highest", min(tried): "lowest"} if len(tried) > 1 else {}
    return {
        "learning_rate": rate,
        "rate_edge": edges.get(rate),
        "tokens_per_step": probe["tokens_per_step"],
        "unknown_tokens": sum(figures.get("unknown_tokens", 0) for figures in probe["domains"].values()),
    }


def _curves(probes: Mapping[int, dict[str, Any]]) -> dict[str, Curve]:
    first = probes[min(probes)]
    return {
        domain: Curve(
            nll={
                seed: group_totals(np.array(list(probe["domains"][domain]["nll"].values())), figures["groups"])
                for seed, probe in probes.items()
            },
            lengths=group_totals(np.array(figures["bytes"], dtype=np.float64), figures["groups"]),
            steps=tuple(first["steps"]),
            documents=len(figures["groups"]),
            texts=frozenset((probe["domains"][domain]["sha256"], *probe["steps"]) for probe in probes.values()),
        )
        for domain, figures in first["domains"].items()
    }


def _mapping(rival: Rival, inputs: Mapping[str, Path]) -> dict[str, Any]:
    if f"model_{rival.name}" not in inputs:
        return {}
    folder = inputs[f"model_{rival.name}"]
    evidence = [read_json(inputs[name] / "manifest.json")["seconds"] for name in rival.evidence]
    metrics = read_json(folder / "manifest.json")["metrics"]
    seconds = sum(metrics[f"{part}_seconds"] for part in ("map", "tables", "calibration"))
    return {
        "made_by": rival.made_by,
        "mapped_share": read_json(folder / "mapping.json")["mapped_share"],
        # Times stand in the manifest alone: files must be the same bytes however fast the machine is.
        "seconds_to_map": round(seconds + metrics.get("warmup_seconds", 0.0), 3),  # most mappings have none
        "seconds_of_evidence": round(sum(evidence), 3),
    }


def _untrained(finetuned: Entry) -> Entry:
    """Return the source model as it came: its curve stays where it began."""
    curves = {
        domain: replace(curve, nll={seed: np.repeat(nll[:1], len(nll), axis=0) for seed, nll in curve.nll.items()})
        for domain, curve in finetuned.curves.items()
    }
    return Entry(SOURCE, None, finetuned.tokens_per_step, curves, unknown_tokens=finetuned.unknown_tokens)


def _check_same(entries: Sequence[Entry]) -> None:
    texts = {(domain, text) for entry in entries for domain, curve in entry.curves.items() for text in curve.texts}
    if len(texts) != len({domain for domain, _ in texts}):
        raise ValueError("the probes were measured on different text or at different steps and cannot be compared")
