"""Aligners run in processes of their own: their last words are kept, and no thread or crash of theirs reaches us."""

import signal
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import UserError
from stages.align_tokens.word_units import Sentences

LAST_CHARACTERS, LAST_LINES = 4000, 5


def run_child(command: list[str], name: str) -> None:
    """Run an aligner with one OpenMP thread, its stderr shown as it comes; raise UserError where it fails.

    With more threads the sums, and so the results, differ from run to run.
    """
    command = ["env", "OMP_NUM_THREADS=1", *command]
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
        raise _failed(name, child.returncode, said)


def _failed(name: str, status: int, said: str) -> UserError:
    how = f"ended with status {status}"
    if status < 0:
        how = f"was killed by signal {-status} ({signal.strsignal(-status)})"
    if status == -signal.SIGKILL or "bad_alloc" in said or "MemoryError" in said:
        how += ", most likely since memory ran out: give it more, or take fewer pairs (alignment.lexicon_pairs)"
    lines = [line.strip() for line in said.splitlines() if line.strip()][-LAST_LINES:]
    words = "".join(f"\n  {line}" for line in lines) or " nothing"
    return UserError(
        f"{name} {how}. Without it: align elsewhere and give the table (alignment=table alignment.path=FILE.tsv), "
        f"or choose mapping=subtoken_mean, which needs no alignment. Its last words:{words}"
    )


def write_pairs(source: Sentences, target: Sentences, path: Path) -> None:
    """Write `source ||| target`, one pair of sentences a line, words as numbers, so that no word can break the form."""
    with path.open("w", encoding="ascii") as file:
        for row in tqdm(range(len(source)), desc="write pairs", unit=" pairs", mininterval=1):
            file.write(f"{_line(source, row)} ||| {_line(target, row)}\n")


def write_side(sentences: Sentences, path: Path) -> None:
    """Write one side, a sentence a line, words as numbers."""
    with path.open("w", encoding="ascii") as file:
        for row in tqdm(range(len(sentences)), desc="write sentences", unit=" sentences", mininterval=1):
            file.write(_line(sentences, row) + "\n")


def _line(sentences: Sentences, row: int) -> str:
    return " ".join(map(str, sentences.units[sentences.starts[row] : sentences.starts[row + 1]].tolist()))
