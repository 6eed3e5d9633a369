"""Files of one folder in another."""

import shutil
from pathlib import Path


def link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link, which costs no space, or a copy where there can be none: on another file system, say."""
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)
