"""The smoke experiment as a user starts it: all stages for real on a tiny random Llama and a few hundred real lines."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline import store
from pipeline.provenance import ROOT

SMOKE = ["language=dutch", "experiment=smoke"]


def command(artifacts: Path, *more: str, name: str = "adapt") -> list[str]:
    return [sys.executable, "-m", "pipeline", name, *SMOKE, f"machine.artifacts={artifacts}", *more]


def run(artifacts: Path, *more: str, prefix: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*prefix, *command(artifacts, *more)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def without_network() -> tuple[str, ...]:
    """Return the command prefix that takes the network away, empty where this machine cannot."""
    prefix = ("unshare", "--map-root-user", "--net")
    if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
        return prefix
    return ()


def hashes(artifacts: Path) -> dict[str, dict]:
    manifests = {folder.name: store.read_manifest(folder) for folder in store.final_artifacts(artifacts)}
    return {
        name: {file: entry["sha256"] for file, entry in manifest["files"].items()}
        for name, manifest in manifests.items()
    }
