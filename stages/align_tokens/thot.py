"""The aligners of sil-thot: fast_align with its diagonal prior, and eflomal's Gibbs sampler."""

import importlib.util
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UserError
from stages.align_tokens.child_process import run_child, write_side
from stages.align_tokens.lexicon import Lexicon, Lexicons, build_lexicon
from stages.align_tokens.word_units import SentencePairs

CHILD = Path(__file__).with_name("thot_child.py")


def check_installed() -> None:
    """Raise UserError where sil-thot is missing."""
    if importlib.util.find_spec("thot") is None:
        raise UserError(
            "alignment=thot_fast_align and alignment=eflomal need sil-thot: make setup; or choose "
            "alignment=fast_align or alignment=table"
        )


def train_thot(settings: Mapping[str, Any], pairs: SentencePairs, both: bool, scratch: Path) -> Lexicons:
    """Train one model a direction, each in a process of its own; `settings` name the method and hold its options.

    Its sampler draws from the seed and runs on one thread, so that equal input gives equal bytes.
    """
    found: list[Lexicon] = []
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        sides = Path(folder) / "source.txt", Path(folder) / "target.txt"
        for sentences, path in zip((pairs.source, pairs.target), sides, strict=True):
            write_side(sentences, path)
        out = Path(folder) / "lexicon.npz"
        for direction in range(1 + both):
            given, wanted = sides[direction], sides[1 - direction]
            arguments = [str(given), str(wanted), str(out), json.dumps(settings)]
            run_child([sys.executable, "-P", str(CHILD), *arguments], settings["method"])
            with np.load(out) as read:
                parts = ([read["sources"] + 1], [read["targets"]], [read["probabilities"]])
            found.append(build_lexicon(*parts, number=pairs.sizes[1 - direction]))
    return Lexicons(found[0], found[1] if both else None)
