"""What stages read of artifacts, and say of their own."""

import json
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON. Raises ValueError for a number that is not finite: JSON has no word for it."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json_lines(path: Path) -> list[Any]:
    """Read lines of JSON."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def run_id(out: Path) -> str:
    """Return the short recipe hash in an artifact folder's name: the same config is the same run.

    >>> run_id(Path("artifacts/dutch/report-682c551b6857.unfinished"))
    '682c551b6857'
    """
    return out.name.removesuffix(".unfinished").rpartition("-")[2]
