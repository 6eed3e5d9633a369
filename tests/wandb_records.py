"""What Weights & Biases has written into its files, read back with its own program."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def offline(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let wandb know of no key, and keep its tables in a folder."""
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(folder / "none"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(folder / "data"))


def records(tracking: Path, kind: str) -> list[list[dict[str, Any]]]:
    """Return the records of one kind of all runs below a folder, those of each run in a list, the oldest run first."""
    runs = sorted(tracking.glob("**/*.wandb"))
    return [[record[kind] for record in _read(run) if record["type"] == kind] for run in runs]


def rows(tracking: Path) -> list[dict[str, Any]]:
    """Return the logged values, those of all runs one after the other."""
    return [record["item"] for run in records(tracking, "history") for record in run]


def _read(run: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]
