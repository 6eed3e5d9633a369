"""fast_align, through systran-align or as the program itself: IBM Model 1 in both directions."""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from math import exp
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from stages.align_tokens.child_process import run_child, write_pairs
from stages.align_tokens.lexicon import Lexicon, Lexicons, build_lexicon
from stages.align_tokens.word_units import SentencePairs

CHILD = Path(__file__).with_name("fast_align_child.py")
NULL_NAME = b"<eps>"
ENTRY = np.dtype([("target", "<u4"), ("probability", "<f4")])
TEXT_ENTRY = np.dtype([("source", "<i8"), ("target", "<i8"), ("probability", "<f4")])
UNPRUNED = "-1e30"
LINES = 1_000_000


def check_installed() -> None:
    """Raise UserError where systran-align is missing."""
    if importlib.util.find_spec("systran_align") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise UserError(
            f"alignment=fast_align needs systran-align, which has no wheel for Python {version}. Use Python 3.11, or "
            "another aligner (alignment=eflomal, alignment=thot_fast_align or alignment=fast_align_binary), or align "
            "elsewhere and give the table: alignment=table alignment.path=FILE.tsv, or choose a mapping that needs no "
            "alignment: mapping=subtoken_mean"
        )


def train_systran(pairs: SentencePairs, updates: int, both: bool, scratch: Path) -> Lexicons:
    """Run systran-align with `updates` updates of its table, temporary files in a folder below `scratch`.

    It trains both directions in any case; `both` says whether the other one is kept. Raises UserError with its last
    words where it fails.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        text, table, reverse = (Path(folder) / name for name in ("pairs.txt", "table.bin", "reverse.bin"))
        write_pairs(pairs.source, pairs.target, text)
        # The last iteration of fast_align only aligns, so n updates are n + 1 iterations.
        files = [str(text), str(table), str(reverse) if both else ""]
        run_child([sys.executable, "-P", str(CHILD), *files, str(updates + 1)], "fast_align")
        return Lexicons(read_binary(table, pairs.sizes[1]), read_binary(reverse, pairs.sizes[0]) if both else None)


def train_program(program: Path, pairs: SentencePairs, updates: int, both: bool, scratch: Path) -> Lexicons:
    """Run the original program once a direction, with `-p` for its conditional probabilities, unpruned."""
    found: list[Lexicon] = []
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        text, table = Path(folder) / "pairs.txt", Path(folder) / "table.txt"
        write_pairs(pairs.source, pairs.target, text)
        for direction in range(1 + both):
            command = [str(program), "-i", str(text), "-I", str(updates + 1), "-t", UNPRUNED, "-p", str(table)]
            run_child([*command, *["-r"][:direction]], program.name)
            if not table.is_file():
                raise UserError(
                    f"{program} wrote no probabilities: it must know -p and -t, as fast_align has since 2015"
                )
            found.append(read_text(table, pairs.sizes[1 - direction]))
            table.unlink()
    return Lexicons(found[0], found[1] if both else None)


def read_binary(path: Path, targets: int) -> Lexicon:
    """Read systran-align's binary table.

    Its form, little endian: uint32 version (2) and number of names; the names, each ended by a zero byte, counted from
    1; uint32 number of names; then for each source name uint32 its number, uint32 entries, and the entries
    (uint32 target, float32 probability).
    """
    data = np.memmap(path, mode="r", dtype=np.uint8)
    version, count = np.frombuffer(data, "<u4", 2).tolist()
    if version != 2:
        raise UserError(f"systran-align wrote a table of version {version}; install systran-align==3.5.0")
    words, null, end = _names(path, count)
    end += 4
    # Laid out in the order of the sources, so that only each source's own entries are to be sorted.
    places = []
    while end < len(data):
        number, entries = np.frombuffer(data, "<u4", 2, end).tolist()
        places.append((0 if number == null else int(words[number]) + 1, end + 8, entries))
        end += 8 + entries * ENTRY.itemsize
    size = sum(entries for _, _, entries in places)
    keys, probabilities, filled = np.empty(size, np.int64), np.empty(size, np.float32), 0
    for row, start, entries in sorted(places):
        part = np.frombuffer(data, ENTRY, entries, start)
        partners = words[part["target"]]
        order = np.argsort(partners, kind="stable")
        keys[filled : filled + entries] = row * targets + partners[order]
        probabilities[filled : filled + entries] = part["probability"][order]
        filled += entries
    return Lexicon(keys, probabilities, targets)


def _names(path: Path, count: int) -> tuple[np.ndarray, int, int]:
    """Return the word that each name stands for (-1 for none), the null word's number, and where the names end."""
    words, null, end = np.full(count + 1, -1, dtype=np.int64), 0, 8
    with path.open("rb") as file:
        file.seek(end)
        part, rest = b"", 0
        for place in range(1, count + 1):
            while (stop := part.find(b"\0", rest)) < 0:
                part, rest = part[rest:] + file.read(1 << 20), 0
            name = part[rest:stop]
            end, rest = end + len(name) + 1, stop + 1
            words[place] = int(name) if name.isdigit() else -1
            null = place if name == NULL_NAME else null
    return words, null, end


def read_text(path: Path, targets: int) -> Lexicon:
    """Read the lines of `fast_align -p`: source word, target word, natural log-probability."""
    parts: list[np.ndarray] = []
    with path.open(encoding="ascii") as file:
        while lines := list(islice(file, LINES)):
            parts.append(np.array([_entry(line) for line in lines], dtype=TEXT_ENTRY))
    return build_lexicon(
        [part["source"] for part in parts],
        [part["target"] for part in parts],
        [part["probability"] for part in parts],
        targets,
    )


def _entry(line: str) -> tuple[int, int, float]:
    source, target, log = line.split("\t")[:3]
    return 0 if source == NULL_NAME.decode() else int(source) + 1, int(target), exp(float(log))


def executable(name: str, which: Callable[[str], str | None]) -> Path:
    """Return the program of that name on the PATH, or at that path; raise ValueError where there is none."""
    found = which(os.path.expanduser(name))  # noqa: PTH111 - a bare name must stay one
    if found is None:
        raise ValueError(
            f"alignment.program={name!r} is no program that can be run, neither on the PATH nor as a path. Build "
            "fast_align and give its path, or choose alignment=fast_align, alignment=eflomal or alignment=table"
        )
    return Path(found).resolve()
