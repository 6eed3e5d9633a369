"""How well language identification keeps the corpus' language apart: as measured before, and in this corpus."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.shared.artifact import read_json

MEASURED = Path(__file__).parent / "confusion.json"
MOST_COLUMNS = 6


def measured_confusion(language: str) -> Mapping[str, Any] | None:
    """Return the committed table of relatives on text whose language is known; None where the language has none."""
    table: dict[str, Any] = read_json(MEASURED)
    return table if language in table["rows"] else None


def by_source(sources: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return what each source's blocks were taken for, in per cent: codes, rows; None where none was judged.

    The true language is not known here, only what the source claims to be: another language's share is either the
    source's or the judge's fault.
    """
    totals: dict[str, int] = {}
    for source in sources:
        for code, count in source["languages"].items():
            totals[code] = totals.get(code, 0) + count
    if not totals:
        return None
    codes = sorted(totals, key=lambda code: (-totals[code], code))[:MOST_COLUMNS]
    rows = {}
    for source in sources:
        judged = sum(source["languages"].values())
        if judged:
            shares = [100 * source["languages"].get(code, 0) / judged for code in codes]
            rows[source["name"]] = {
                "blocks": judged,
                "per_cent": [round(share, 2) for share in (*shares, 100 - sum(shares))],
            }
    return {"columns": [*codes, "others"], "rows": rows}
