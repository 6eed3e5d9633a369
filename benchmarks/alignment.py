"""Time and memory of an alignment as the bitext grows: `python benchmarks/alignment.py --pairs 100000 300000`.

Pairs are made from real ones: the first half of one and the second half of another, on both sides, and a made-up word
on both, drawn from a Zipf distribution, so that new words go on coming, faster than in real text. Without
`--bitext`, `--source` and `--target` it takes the pairs of tests/data and trains two tokenizers on them. Each size runs
as a process of its own; the peak is that of the process and the aligner below it together, resident sets added.
`--set KEY=VALUE` changes a setting of conf/alignment/<preset>.yaml.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from math import log
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerFast

from stages.align_tokens.settings import AlignTokensSettings
from stages.align_tokens.stage import align_tokens

ROOT = Path(__file__).resolve().parent.parent
SYLLABLES = [first + vowel + last for first in "bdfghklmnprstvz" for vowel in "aeiou" for last in ("", "n", "r", "s")]
ZIPF = 1.2
"""How steeply the frequencies of made-up words fall: N pairs have some 1.3 x N ** (1 / ZIPF) of them."""
BATCH, POLL_SECONDS, GOAL = 10_000, 0.2, 10_000_000


def main() -> None:
    """Run the sizes one after the other and print a line for each, then what the goal would take."""
    given = arguments()
    if given.run:
        return run(given.run)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        real = read_real(given.bitext)
        inputs = {"base_model": given.source, "tokenizer": given.target, "bitext": folder / "bitext"}
        for number, side in enumerate(("base_model", "tokenizer")):
            inputs[side] = inputs[side] or train_tokenizer([pair[number] for pair in real], folder / side)
        found = []
        for pairs in given.pairs:
            write_bitext(real, pairs, inputs["bitext"])
            found.append((pairs, measure(settings(given), inputs, folder)))
        for (few, before), (many, after) in pairwise(found):
            exponent = log(after["peak_mb"] / before["peak_mb"]) / log(many / few)
            goal = after["peak_mb"] * (GOAL / many) ** exponent
            print(f"{few:,} to {many:,} pairs: memory grows as pairs ** {exponent:.2f}; so {GOAL:,}: {goal:,.0f} MB")
    return None


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--pairs", type=int, nargs="+", default=[10_000, 30_000])
    command.add_argument("--preset", default="symmetric", help="file of conf/alignment")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    command.add_argument("--bitext", type=Path, default=ROOT / "tests" / "data" / "en-nl.tsv", help=".tsv or .parquet")
    command.add_argument("--source", type=Path, help="folder of the source tokenizer")
    command.add_argument("--target", type=Path, help="folder of the new tokenizer")
    command.add_argument("--run", help=argparse.SUPPRESS)
    return command.parse_args()


def settings(given: argparse.Namespace) -> dict[str, Any]:
    """Return the preset's settings with those that it is built on, and the changes."""
    found = preset(given.preset)
    for change in given.set:
        key, _, value = change.partition("=")
        found[key] = yaml.safe_load(value)
    return found


def preset(name: str) -> dict[str, Any]:
    """Return one file of conf/alignment over its defaults."""
    own = yaml.safe_load((ROOT / "conf" / "alignment" / f"{name}.yaml").read_text(encoding="utf-8"))
    below: dict[str, Any] = {}
    for other in own.pop("defaults", []):
        below |= preset(other)
    return below | own


def read_real(path: Path) -> list[tuple[str, str]]:
    """Return the pairs of a table."""
    if path.suffix == ".parquet":
        table = pq.read_table(path, columns=["source_text", "target_text"]).to_pydict()
        return list(zip(table["source_text"], table["target_text"], strict=True))
    with path.open(encoding="utf-8") as file:
        return [(row[0], row[1]) for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def train_tokenizer(lines: list[str], folder: Path) -> Path:
    """Train a byte-level BPE of 4,000 tokens and save it."""
    tokenizer = ByteLevelBPETokenizer(add_prefix_space=True)
    tokenizer.train_from_iterator(lines, vocab_size=4000, show_progress=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer).save_pretrained(folder)
    return folder


def write_bitext(real: list[tuple[str, str]], pairs: int, folder: Path) -> None:
    """Write train.parquet with so many mixed pairs; fewer are the first of more."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(1)
    schema = pa.schema([("source_text", pa.string()), ("target_text", pa.string())])
    with pq.ParquetWriter(folder / "train.parquet", schema) as writer:
        for begin in range(0, pairs, BATCH):
            mixed = list(mix(real, generator))[: pairs - begin]
            columns = [[pair[side] for pair in mixed] for side in (0, 1)]
            writer.write_table(pa.table(columns, schema=schema))


def mix(real: list[tuple[str, str]], generator: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Yield a batch of mixed pairs."""
    chosen = generator.integers(0, len(real), (BATCH, 2)).tolist()
    names = generator.zipf(ZIPF, BATCH).tolist()
    for (one, other), name in zip(chosen, names, strict=True):
        halves = [(left.split(), right.split()) for left, right in zip(real[one], real[other], strict=True)]
        words = [left[: (len(left) + 1) // 2] + right[len(right) // 2 :] for left, right in halves]
        for side in words:
            side.insert(len(side) // 2, word(name))
        yield " ".join(words[0]), " ".join(words[1])


def word(number: int) -> str:
    """Return the made-up word of a number."""
    text = ""
    while number:
        number, digit = divmod(number, len(SYLLABLES))
        text += SYLLABLES[digit]
    return text.capitalize()


def measure(alignment: dict[str, Any], inputs: dict[str, Path], folder: Path) -> dict[str, Any]:
    """Run one alignment as a process, print and return its figures."""
    out = folder / "out"
    out.mkdir(exist_ok=True)
    described = {"alignment": alignment, "inputs": {name: str(path) for name, path in inputs.items()}, "out": str(out)}
    began, peak = perf_counter(), 0
    command = [sys.executable, str(Path(__file__)), "--run", json.dumps(described)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT) as child:
        while child.poll() is None:
            peak = max(peak, resident(child.pid))
            sleep(POLL_SECONDS)
    if child.returncode:
        raise SystemExit(f"the alignment ended with status {child.returncode}")
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    metrics |= {"peak_mb": round(peak / 1e6), "seconds": round(perf_counter() - began)}
    shown = ("sentences", "source_words", "lexicon_pairs", "lexicon_entries", "table_pairs", "peak_mb", "seconds")
    parts = {key: value for key, value in metrics.items() if key.endswith("_seconds")}
    print(", ".join(f"{key} {metrics[key]:,}" for key in shown), parts, flush=True)
    return metrics


def resident(pid: int) -> int:
    """Return the bytes that a process and those below it hold."""
    total = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it has just ended
    return total


def run(described: str) -> None:
    """Run the stage; this is the process that is measured."""
    given = json.loads(described)
    found = AlignTokensSettings.model_validate({"alignment": given["alignment"]})
    out, inputs = Path(given["out"]), {name: Path(path) for name, path in given["inputs"].items()}
    metrics = align_tokens(found, inputs, out, None)  # type: ignore[arg-type]
    (out / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


if __name__ == "__main__":
    main()
