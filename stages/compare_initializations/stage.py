"""compare_initializations: the leaderboard of initialisation methods."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.stage import Execution, Metrics
from stages.compare_initializations.page import render_page, render_section
from stages.compare_initializations.rivals import Entry, read_rivals
from stages.compare_initializations.settings import CompareInitializationsSettings
from stages.compare_initializations.standings import standings
from stages.shared.artifact import run_id, write_json

PHRASES = {"worse_than": "worse than", "ties_with": "tied with", "better_than": "better than"}
"""Bad news first."""


def compare_initializations(
    settings: CompareInitializationsSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write leaderboard.json for programs, report.html for people, and section.html, the same for a report's page."""
    entries = read_rivals(settings.rivals, inputs)
    found = leaderboard(settings, entries, run_id(out))
    write_json(out / "leaderboard.json", found)
    (out / "section.html").write_text(render_section(found), encoding="utf-8")
    (out / "report.html").write_text(render_page(found), encoding="utf-8")
    return {"claim": found["claim"], **{row["method"]: row["bits_per_byte"]["end"] for row in found["methods"]}}


def leaderboard(settings: CompareInitializationsSettings, entries: list[Entry], run: str) -> dict[str, Any]:
    """Return what leaderboard.json holds."""
    rows = standings(entries, settings.comparison)
    first = entries[0]
    own = first.curves["own"]
    return {
        "run": run,
        "language": settings.language_name,
        "base_model": settings.base_model_name,
        "default": settings.default,
        "mode": settings.mode,
        "steps": list(own.steps),
        "tokens_per_step": first.tokens_per_step,
        "domains": {
            name: {"documents": curve.documents, "groups": len(curve.lengths), "bytes": int(curve.lengths.sum())}
            for name, curve in first.curves.items()
        },
        "confidence": settings.comparison.confidence,
        "claim": claim(rows, settings.default),
        "left_out": settings.left_out,
        "methods": rows,
    }


def claim(rows: list[dict[str, Any]], default: str) -> str:
    """Return the sentence that says how the default mapping stands to the other methods, bad news first."""
    mine = next((row for row in rows if row["method"] == default), None)
    if mine is None:
        return f"The default, {default}, was not among the methods compared."
    parts = []
    for place, figures in (("the corpus's own domain", mine), ("the other domain", mine["other_domain"])):
        if figures:
            said = [f"{phrase} {', '.join(figures[key])}" for key, phrase in PHRASES.items() if figures[key]]
            parts.append(f"in {place} {'; '.join(said)}")
    return f"The default, {default}, is {', and '.join(parts)}."
