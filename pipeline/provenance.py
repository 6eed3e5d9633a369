"""Where a result comes from: code, versions, hardware."""

import hashlib
import os
import platform
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

RECORDED = (
    "torch",
    "transformers",
    "tokenizers",
    "sentencepiece",
    "accelerate",
    "safetensors",
    "systran-align",
    "datasets",
    "pyarrow",
    "numpy",
    "scipy",
    "pydantic",
    "hydra-core",
    "wandb",
    "gguf",
)


def provenance() -> dict[str, Any]:
    """Return the git state, the versions of the libraries that matter, and the hardware, as JSON values."""
    return {"git": git_state(), "versions": library_versions(RECORDED), "hardware": hardware()}


def git_state() -> dict[str, Any]:
    """Return `{"commit", "dirty"}` of the checkout, with None where there is no git or no repository."""
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def library_versions(names: tuple[str, ...]) -> dict[str, str | None]:
    """Return the installed version of each distribution, None where it is not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def hardware() -> dict[str, Any]:
    """Return host, processor, cores, memory in bytes, and the GPUs that torch saw in this process."""
    torch = sys.modules.get("torch")
    gpus = []
    if torch is not None and torch.cuda.is_available():
        gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "host": socket.gethostname(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": gpus,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def stage_digest(stage: str) -> str:
    """Return the sha256 of a stage's files (code, templates): shown by `plan` where they changed, never hashed."""
    digest = hashlib.sha256()
    folder = ROOT / "stages" / stage
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
