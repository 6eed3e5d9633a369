"""The leaderboard as a table for the terminal; imports neither torch nor numpy, since every command loads it."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

EDGES = {None: "", "lowest": " ↓", "highest": " ↑"}
HEADINGS = ("seconds", "evidence s", "mapped", "rate")


def leaderboard_table(found: Mapping[str, Any]) -> Table:
    """Return the rows of leaderboard.json, the default's in bold, the claim below."""
    confidence = f"{found['confidence'] * 100:g} %"
    caption = f"{found['claim']} Intervals: {confidence}; a difference whose interval holds 0 is a tie."
    if any(row["rate_edge"] for row in found["methods"]):
        caption += " ↑ ↓: the highest or lowest rate tried was the best; one beyond may be better."
    step = f"bits per byte after steps of {found['tokens_per_step']} tokens"
    title = f"{found['base_model']} → {found['language']}: {step}"
    table = Table(title=Text(title), caption=Text(caption), caption_justify="left", title_justify="left")
    table.add_column("method")
    steps = [str(step) for step in found["steps"]]
    for heading in (*HEADINGS, *steps, "interval", "area", "tokens to subtoken_mean"):
        table.add_column(heading, justify="right")
    other = "other" in found["domains"]
    if other:
        for heading in ("other domain", "interval"):
            table.add_column(heading, justify="right")
    for row in found["methods"]:
        cells = _cells(row, steps)
        if other:
            low, high = row["other_domain"]["intervals"]["end"]
            cells += [f"{row['other_domain']['end']:.3f}", f"{low:.3f}–{high:.3f}"]
        table.add_row(*map(Text, cells), style="bold" if row["method"] == found["default"] else None)
    return table


def _cells(row: Mapping[str, Any], steps: list[str]) -> list[str]:
    tokens = row["tokens_to_subtoken_mean"]
    low, high = row["intervals"]["end"]
    return [
        row["method"],
        "–" if row["seconds_to_map"] is None else f"{row['seconds_to_map']:.1f}",
        f"{row['seconds_of_evidence']:.0f}" if row["seconds_of_evidence"] else "–",
        "–" if row["mapped_share"] is None else f"{row['mapped_share']:.1%}",
        f"{row['learning_rate']:g}{EDGES[row['rate_edge']]}" if row["learning_rate"] else "–",
        *(f"{row['bits_per_byte'][step]:.3f}" for step in steps[:-1]),
        f"{row['bits_per_byte']['end']:.3f}",
        f"{low:.3f}–{high:.3f}",
        f"{row['area']:.3f}",
        "not reached" if tokens is None else f"{tokens:,}",
    ]
