"""Where a result comes from: code, versions, hardware."""

import hashlib
import os
import platform
import re
import socket
import subprocess
import sys
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHARED_IMPORT = re.compile(r"^\s*(?:from|import) (stages\.shared[\w.]*)", re.MULTILINE)

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


@cache
def process_space() -> str:
    """Return the boot and the namespace that process numbers belong to: machines and containers may share a name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # a sandbox that hides them: the name alone must do
        return ""


def provenance() -> dict[str, Any]:
    """Return the git state, the versions of the libraries that matter, and the hardware, as JSON values."""
    versions = library_versions(RECORDED) | {"python": platform.python_version()}
    return {"git": git_state(), "versions": versions, "hardware": hardware()}


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
    """Return Python's version without its patch level and that of each distribution, None where it is not installed."""
    versions: dict[str, str | None] = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    return versions | {name: _library_version(name) for name in names}


@cache
def _library_version(name: str) -> str | None:
    # A plan asks ninety times for a dozen names, and each time Python would parse the distribution's metadata anew.
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


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


@lru_cache
def stage_digest(stage: str) -> str:
    """Return the sha256 of a stage's files and of the modules that they import from `stages.shared`.

    Shown by `plan` where it changed, never hashed into a recipe.
    """
    digest = hashlib.sha256()
    for path in _stage_files(stage):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _stage_files(stage: str) -> list[Path]:
    folder = ROOT / "stages" / stage
    waiting = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _shared_imports(path) if path.suffix == ".py" else []
    return sorted(found)


def _shared_imports(path: Path) -> list[Path]:
    names = set(SHARED_IMPORT.findall(path.read_text(encoding="utf-8")))
    modules = [ROOT / (name.replace(".", "/") + ".py") for name in names]
    packages = [ROOT / name.replace(".", "/") / "__init__.py" for name in names]
    return [path for path in (*modules, *packages) if path.is_file()]
