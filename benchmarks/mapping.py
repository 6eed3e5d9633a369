"""How long a mapping from a table takes: `python benchmarks/mapping.py [--table T --source DIR --target DIR]`.

Without arguments it makes its own input: two vocabularies of made-up words, byte-level and SentencePiece, and a table
of 350,000 pairs in which every pair counts. Prints seconds and peak memory of `from_table`, run as a user would, and
the seconds of smoothing against the quadratic definition on a part of the tokens.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from stages.map_embeddings.initialization import normalize_rows
from stages.map_embeddings.smoothing import smooth
from stages.map_embeddings.token_counts import added_counts, aligned_counts
from stages.shared.alignment_table import read_columns
from stages.shared.token_text import LETTER_OF_BYTE, Vocabulary, byte_level_token, load_vocabulary

SYLLABLES = [first + vowel + last for first in "bdfghklmnprstvz" for vowel in "aeiou" for last in ("", "n", "r", "s")]
SPECIAL = ["<unk>", "<s>", "</s>"]
SOURCE_TOKENS, TARGET_TOKENS, TABLE_ROWS = 49_152, 32_000, 350_000
ALIGNED_SHARE = 0.36
"""Share of the target tokens that occur in the table, as measured on 123,321 English-Dutch pairs."""
RIVAL_TOKENS = 6_000


def main() -> None:
    """Run the benchmark on given folders, or on input that it makes."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--table", type=Path, help="fast_align table")
    command.add_argument("--source", type=Path, help="folder of the source tokenizer")
    command.add_argument("--target", type=Path, help="folder of the new tokenizer")
    given = command.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.table is None:
            given.table, given.source, given.target = make_input(folder)
        time_command(given.table, given.source, given.target, folder / "mapping.npz")
        compare_smoothing(given.table, load_vocabulary(given.source), load_vocabulary(given.target))


def time_command(table: Path, source: Path, target: Path, out: Path) -> None:
    """Run `from_table` as a process and print its lines, the wall time and the peak memory."""
    paths = ["--source", str(source), "--target", str(target), "--out", str(out)]
    began = perf_counter()
    subprocess.run([sys.executable, "-m", "stages.map_embeddings.from_table", str(table), *paths], check=True)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"from_table, the start of Python included: {perf_counter() - began:.1f} s, {memory} MiB at the peak")


def compare_smoothing(table: Path, source: Vocabulary, target: Vocabulary) -> None:
    """Time smoothing on all tokens, and the quadratic definition on some of them, which must agree."""
    aligned = aligned_counts(read_columns(table), source, target, min_count=10)
    counts = csr_matrix(aligned + added_counts(source, target))
    began = perf_counter()
    weights, smoothed = smooth(counts, source, target)
    fast = perf_counter() - began
    rows = np.flatnonzero(smoothed)
    some = np.sort(np.random.default_rng(1).permutation(rows)[:RIVAL_TOKENS])
    began = perf_counter()
    rival = quadratic(counts, source, target, some)
    slow = perf_counter() - began
    worst = abs(rival - weights[some]).max()
    estimate = slow * len(rows) / max(len(some), 1)
    print(f"smoothing {len(rows)} tokens: {fast:.2f} s")
    print(
        f"quadratic definition: {slow:.1f} s for {len(some)} tokens, so {estimate:.0f} s for all: "
        f"{estimate / fast:.0f} times as long"
    )
    print(f"largest difference of a weight: {worst:.1e}")


def quadratic(counts: csr_matrix, source: Vocabulary, target: Vocabulary, rows: np.ndarray) -> csr_matrix:
    """Smooth some rows by comparing each with every mapped token."""
    own = normalize_rows(counts)
    textual = ~(target.special | target.byte_fallback) & np.array([bool(text) for text in target.text])
    mapped = [(target.text[row], row) for row in np.flatnonzero((np.diff(counts.indptr) > 0) & textual)]
    entries: list[tuple[int, int]] = []
    for place, row in enumerate(rows):
        text = target.text[row]
        inside = sorted({other for other, _ in mapped if other in text}, key=len, reverse=True)
        maximal: list[bytes] = []
        for part in inside:
            if not any(part in other for other in maximal):
                maximal.append(part)
        wanted = set(maximal)
        entries += [(place, other) for name, other in mapped if name.startswith(text) or name in wanted]
    pairs = np.array(entries, dtype=np.int64).reshape(-1, 2)
    evidence = csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(rows), len(target)))
    factors = np.where(source.starts_word, 2.0, 1.0)
    weighted = csr_matrix((own.data * factors[own.indices], own.indices, own.indptr), shape=own.shape)
    return normalize_rows(csr_matrix(evidence @ weighted))


def make_input(folder: Path) -> tuple[Path, Path, Path]:
    """Write two tokenizers of made-up words and a table; return the table and the two folders."""
    generator = random.Random(1)
    source = words(generator, SOURCE_TOKENS - 256 - len(SPECIAL))
    target = words(generator, TARGET_TOKENS - 256 - len(SPECIAL))
    save(
        folder / "source",
        SPECIAL + [byte_level_token(word.encode()) for word in source] + sorted(LETTER_OF_BYTE.values()),
    )
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    save(folder / "target", SPECIAL + byte_tokens + [word.replace(" ", "▁") for word in target])
    aligned = generator.sample(target, int(ALIGNED_SHARE * len(target)))
    lines = []
    for _ in range(TABLE_ROWS):
        units = ["—".join(unit(generator, source)), "—".join(unit(generator, aligned)).replace(" ", "▁")]
        units[0] = "—".join(byte_level_token(part.encode()) for part in units[0].split("—"))
        lines.append(f"{units[0]}\t{units[1]}\t{-generator.random() * 5:.4f}\t{10 + generator.expovariate(0.02):.3f}\n")
    (folder / "table.tsv").write_text("".join(lines), encoding="utf-8")
    return folder / "table.tsv", folder / "source", folder / "target"


def words(generator: random.Random, number: int) -> list[str]:
    """Return that many different made-up words of one to four syllables, half of them with a space before."""
    found: dict[str, None] = {}
    while len(found) < number:
        word = "".join(generator.choices(SYLLABLES, k=generator.choice((1, 2, 2, 3, 3, 4))))
        found[generator.choice(("", " ")) + word] = None
    return list(found)


def unit(generator: random.Random, vocabulary: list[str]) -> list[str]:
    """Return a word of one to three tokens, mostly of one."""
    return generator.choices(vocabulary, k=generator.choice((1, 1, 1, 2, 2, 3)))


def save(folder: Path, tokens: list[str]) -> None:
    """Save a tokenizer with these tokens; with the letters of bytes among them it is byte-level."""
    vocabulary = {token: row for row, token in enumerate(dict.fromkeys(tokens))}
    byte_level = "Ġ" in vocabulary
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True, byte_fallback=not byte_level))
    if byte_level:
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(False), decoders.ByteLevel()
    else:
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)


if __name__ == "__main__":
    main()
