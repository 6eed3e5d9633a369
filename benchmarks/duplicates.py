"""Speed and memory of finding duplicates: `python benchmarks/duplicates.py TEXT.txt.gz --datatrove PYTHON`.

TEXT (default: tests/data/dutch.txt) holds documents with a blank line between them. Speed is in MB of UTF-8 a second of
processor time of one core. datatrove computes MinHash signatures with as many n-grams, bands and rows of the same
documents right before and after; PYTHON is that of an environment of its own, made with

    python -m venv DATATROVE && DATATROVE/bin/pip install "datatrove[processing]==0.10.1" spacy

`--held-out N` also measures, on the first N documents, the index of held-out sentences against sets of strings.
`--memory MB ...` measures instead the peak of memory at each size, in a process of its own: documents of lines drawn at
random, and one of ten a real document, so that many lines and some documents are repeated, in shards of 64 MB.
"""

import argparse
import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from pipeline.config import load_config
from stages.shared.duplicates.clusters import SignatureFiles, near_duplicates
from stages.shared.duplicates.minhash import Signatures, signatures
from stages.shared.duplicates.occurrences import later_occurrences
from stages.shared.duplicates.text_hashes import save_array, text_hashes
from stages.shared.overlap import SentenceIndex, batches

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = load_config(["language=dutch"]).corpus.duplicates.near
SHARD_BYTES, DOCUMENT_BYTES = 64_000_000, 2000
LINE_REPEATS = 5
DATATROVE = """
import json, sys, time
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
given = json.load(sys.stdin)
config = MinhashConfig(n_grams=given["gram_words"], num_buckets=given["bands"], hashes_per_bucket=given["rows"])
step = MinhashDedupSignature(given["folder"], config, language="nld")
step.get_signature(step.get_shingles("een twee drie vier vijf zes"))
begin = time.process_time()
for text in given["texts"]:
    shingles = step.get_shingles(text)
    if shingles.size:
        step.get_signature(shingles)
print(time.process_time() - begin)
"""


def main() -> None:
    """Measure what was asked for."""
    given = arguments()
    if given.run:
        return run(given.text, given.run)
    if given.memory:
        for size in given.memory:
            command = [sys.executable, __file__, str(given.text), "--run", str(size)]
            subprocess.run(command, check=True)
        return None
    texts = read(given.text)
    megabytes = size_of(texts)
    print(f"{given.text.name}: {len(texts):,} documents, {megabytes:.1f} MB")
    rival = [datatrove(given.datatrove, texts[: given.rival_documents])] if given.datatrove else []
    measure_speed(texts, megabytes)
    if given.datatrove:
        rival.append(datatrove(given.datatrove, texts[: given.rival_documents]))
        print(f"datatrove's MinHash signatures: {min(rival):.2f} and {max(rival):.2f} MB/s")
    if given.held_out:
        measure_overlap(texts, given.held_out)
    return None


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("text", type=Path, nargs="?", default=ROOT / "tests" / "data" / "dutch.txt")
    command.add_argument("--datatrove", metavar="PYTHON", help="python of an environment with datatrove")
    command.add_argument("--rival-documents", type=int, default=1000, help="datatrove takes only so many")
    command.add_argument("--held-out", type=int, default=0, metavar="N")
    command.add_argument("--memory", type=int, nargs="+", metavar="MB")
    command.add_argument("--run", type=int, help=argparse.SUPPRESS)
    return command.parse_args()


def read(path: Path) -> list[str]:
    """Return the documents of a file."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = data.decode()
    return [document for document in text.split("\n\n") if document.strip()]


def size_of(texts: Sequence[str]) -> float:
    """Return the size in MB of UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6


def seconds(step: Callable[[list[str]], Any], texts: Sequence[str]) -> float:
    """Return the processor time of a step, which is given the texts by batches."""
    groups = list(batches(texts))
    step(groups[0][:10])  # builds tables
    begin = process_time()
    for group in groups:
        step(group)
    return process_time() - begin


def measure_speed(texts: Sequence[str], megabytes: float) -> None:
    """Print the speed of signatures and of hashes."""
    lines = [line for text in texts for line in text.split("\n")]
    print(f"MinHash signatures: {megabytes / seconds(lambda group: signatures(group, SETTINGS), texts):.1f} MB/s")
    print(f"hashes of lines: {megabytes / seconds(text_hashes, lines):.1f} MB/s")
    print(f"hashes of documents: {megabytes / seconds(text_hashes, texts):.1f} MB/s")


def datatrove(python: str, texts: Sequence[str]) -> float:
    """Return the speed of datatrove's signatures in MB/s."""
    with tempfile.TemporaryDirectory() as folder:
        given = SETTINGS.model_dump() | {"texts": list(texts), "folder": folder}
        done = subprocess.run(
            [python, "-c", DATATROVE], input=json.dumps(given), check=True, stdout=subprocess.PIPE, text=True
        )
    return size_of(texts) / float(done.stdout.split()[-1])


def measure_overlap(texts: Sequence[str], held_out: int) -> None:
    """Print the speed of looking for held-out sentences, and of the same by sets of strings."""
    sys.path.insert(0, str(ROOT / "tests" / "stages" / "shared"))
    from test_overlap import keys  # the definition, against which the index is tested

    lines = [text.split("\n") for text in texts]
    begin, rest = list(chain(*lines[:held_out])), list(chain(*lines[held_out:]))
    index, strings = SentenceIndex(begin), {key for line in begin for key in keys(line)}
    few = rest[:20_000]
    print(f"index of {len(index.set.keys):,} keys: {size_of(rest) / seconds(index.overlapping, rest):.1f} MB/s")
    by_strings = size_of(few) / seconds(lambda group: [bool(keys(line) & strings) for line in group], few)
    print(f"sets of strings: {by_strings:.1f} MB/s on the first {len(few):,} lines")


def shards(texts: Sequence[str], megabytes: int) -> Iterator[Iterator[list[str]]]:
    """Yield shards of batches of made-up documents."""
    lines = [line for text in texts for line in text.split("\n")]
    count = max(1, DOCUMENT_BYTES * len(lines) // sum(map(len, lines)))
    generator = random.Random(1)

    def documents(size: int) -> Iterator[str]:
        while size > 0:
            document = generator.choice(texts)[:20_000]
            if generator.random() > 0.1:
                document = "\n".join(generator.choices(lines, k=count))
            size -= len(document)
            yield document

    for begin in range(0, megabytes * 1_000_000, SHARD_BYTES):
        yield batches(documents(min(SHARD_BYTES, megabytes * 1_000_000 - begin)))


def run(text: Path, megabytes: int) -> None:
    """Hash so many MB and look for duplicates; print the peak of memory after each step."""
    texts = read(text)
    report = {"MB": megabytes, "begin": peak()}
    begin = perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder, lines, near = Path(name), [], []
        for number, shard in enumerate(shards(texts, megabytes)):
            found, hashes = [], []
            for batch in shard:
                found.append(signatures(batch, SETTINGS))
                hashes.append(text_hashes(line for document in batch for line in document.split("\n")))
            lines.append(folder / f"{number}.lines.npy")
            save_array(lines[-1], np.concatenate(hashes))
            near.append(SignatureFiles(folder / f"{number}.bands.npy", folder / f"{number}.rows.npy"))
            joined = (np.concatenate([part.bands for part in found], 1), np.concatenate([part.rows for part in found]))
            near[-1].save(Signatures(*joined))
        report |= {"hashed": peak(), "hash_seconds": round(perf_counter() - begin)}
        begin = perf_counter()
        late = sum(later_occurrences(lines, LINE_REPEATS, folder / "later"))
        report |= {"lines": peak(), "later_lines": late, "line_seconds": round(perf_counter() - begin)}
        begin = perf_counter()
        clusters = near_duplicates(near, SETTINGS, folder / "near")
        report |= {"clusters": peak(), "documents": clusters["documents"], "dropped": clusters["dropped"]}
        report |= {"cluster_seconds": round(perf_counter() - begin)}
    print(json.dumps(report), flush=True)


def peak() -> int:
    """Return the greatest resident size so far in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 1_000_000


if __name__ == "__main__":
    main()
