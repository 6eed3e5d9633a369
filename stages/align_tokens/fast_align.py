"""fast_align through systran-align: P(target word | source word) of IBM Model 1."""

import importlib.util
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.errors import UserError
from stages.align_tokens.word_units import Sentences

CHILD = Path(__file__).with_name("fast_align_child.py")
NULL_NAME = b"<eps>"
LAST_CHARACTERS, LAST_LINES = 4000, 5
ENTRY = np.dtype([("target", "<u4"), ("probability", "<f4")])


@dataclass(frozen=True)
class Lexicon:
    """P(target | source) for every pair of words that share a sentence; source 0 is the null word, words follow at 1.

    `keys` is sorted, source x targets + target, int64; `probabilities` belongs to it.
    """

    keys: np.ndarray
    probabilities: np.ndarray
    targets: int


def check_installed() -> None:
    """Raise UserError where systran-align is missing."""
    if importlib.util.find_spec("systran_align") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise UserError(
            f"alignment=fast_align needs systran-align, which has no wheel for Python {version}. Use Python 3.11, or "
            "align elsewhere and give the table: alignment=table alignment.path=FILE.tsv, or choose a mapping that "
            "needs no alignment: mapping=subtoken_mean"
        )


def train_lexicon(source: Sentences, target: Sentences, targets: int, iterations: int, scratch: Path) -> Lexicon:
    """Run fast_align with `iterations` updates of the table, temporary files in a folder below `scratch`.

    Words are given to it as numbers, so that no word can break its input. One OpenMP thread: with more, the sums and so
    the results differ from run to run. Raises UserError with its last words where it fails.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        pairs, table = Path(folder) / "pairs.txt", Path(folder) / "table.bin"
        write_pairs(source, target, pairs)
        # The last iteration of fast_align only aligns, so n updates are n + 1 iterations.
        command = [sys.executable, "-P", str(CHILD), str(pairs), str(table), str(iterations + 1)]
        _run(["env", "OMP_NUM_THREADS=1", *command])
        return read_lexicon(table, targets)


def _run(command: list[str]) -> None:
    """Run fast_align, its stderr shown as it comes; raise UserError where it fails."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        said = ""
        try:
            while part := child.stderr.read1(1 << 16):  # type: ignore[attr-defined]
                text = part.decode("utf-8", "replace")
                sys.stderr.write(text)
                sys.stderr.flush()
                said = (said + text)[-LAST_CHARACTERS:]
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise _failed(child.returncode, said)


def _failed(status: int, said: str) -> UserError:
    how = f"ended with status {status}"
    if status < 0:
        how = f"was killed by signal {-status} ({signal.strsignal(-status)})"
    if status == -signal.SIGKILL or "bad_alloc" in said or "MemoryError" in said:
        how += ", most likely since memory ran out: give it more, or take fewer pairs (fewer or smaller bitext.cards)"
    lines = [line.strip() for line in said.splitlines() if line.strip()][-LAST_LINES:]
    words = "".join(f"\n  {line}" for line in lines) or " nothing"
    return UserError(
        f"fast_align {how}. Without it: align elsewhere and give the table (alignment=table alignment.path=FILE.tsv), "
        f"or choose mapping=subtoken_mean, which needs no alignment. Its last words:{words}"
    )


def write_pairs(source: Sentences, target: Sentences, path: Path) -> None:
    """Write `source ||| target`, one pair of sentences a line, words as numbers."""
    with path.open("w", encoding="ascii") as file:
        for row in tqdm(range(len(source)), desc="write pairs", unit=" pairs", mininterval=1):
            left = source.units[source.starts[row] : source.starts[row + 1]].tolist()
            right = target.units[target.starts[row] : target.starts[row + 1]].tolist()
            file.write(" ".join(map(str, left)) + " ||| " + " ".join(map(str, right)) + "\n")


def read_lexicon(path: Path, targets: int) -> Lexicon:
    """Read systran-align's binary table.

    Its form, little endian: uint32 version (2) and number of names; the names, each ended by a zero byte, counted from
    1; uint32 number of names; then for each source name uint32 its number, uint32 entries, and the entries
    (uint32 target, float32 probability).
    """
    data = path.read_bytes()
    version, count = np.frombuffer(data, "<u4", 2).tolist()
    if version != 2:
        raise UserError(f"systran-align wrote a table of version {version}; install systran-align==3.5.0")
    end = 8
    null = 0
    words = np.full(count + 1, -1, dtype=np.int64)
    for place in range(1, count + 1):
        start, end = end, data.index(b"\0", end) + 1
        name = data[start : end - 1]
        words[place] = int(name) if name.isdigit() else -1
        null = place if name == NULL_NAME else null
    end += 4
    keys, probabilities = [], []
    while end < len(data):
        number, entries = np.frombuffer(data, "<u4", 2, end).tolist()
        part = np.frombuffer(data, ENTRY, entries, end + 8)
        end += 8 + entries * ENTRY.itemsize
        row = 0 if number == null else int(words[number]) + 1
        keys.append(row * targets + words[part["target"]])
        probabilities.append(part["probability"])
    all_keys, all_probabilities = np.concatenate(keys), np.concatenate(probabilities)
    order = np.argsort(all_keys, kind="stable")
    return Lexicon(all_keys[order], all_probabilities[order].astype(np.float64), targets)
