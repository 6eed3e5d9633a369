"""What a killed run left in the folder of an artifact whose stage goes on from checkpoints."""

import shutil
from pathlib import Path

from pipeline.stage import CHECKPOINTS


def keep_checkpoints_only(out: Path) -> None:
    """Remove all else: it is made again, and what is not would be published with it."""
    for path in sorted(out.iterdir()):
        if path.name == CHECKPOINTS:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
