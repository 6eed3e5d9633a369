"""How long each mapping method takes, with the table of a 7B model: `python benchmarks/mapping_methods.py [--help]`.

Makes its own input: two SentencePiece vocabularies of made-up words of which the target shares some, a table of aligned
words, drawn vectors, a dictionary, and a model folder with tables of 32,000 x 4,096 in bfloat16, not tied. Every method
runs in a process of its own, which reads the vocabularies, maps several times, makes both new tables and writes them;
`calibrated`, the default, is the stage itself with a smaller decoder that is whole, since it has the model read text.
Prints wall and CPU seconds of the best time and the peak memory of the process, after the mapping and in the end; then
the search for similar vectors beside the papers' dense formula and beside the matrix product alone.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from mapping import SPECIAL, save, unit, words
from mapping_default import DEFAULT, run_default
from safetensors.torch import save_file
from transformers import MistralConfig

from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.from_table import EXTRAS, read_preset
from stages.map_embeddings.initialization import MappingTask
from stages.map_embeddings.similarity import softmax_of_nearest, sparsemax_of_cosines, unit_rows
from stages.map_embeddings.tables import TableMaker
from stages.map_embeddings.wechsel import distinct_rows
from stages.shared.model_folder import open_model, write_model
from stages.shared.token_text import Vocabulary, load_vocabulary
from stages.shared.vectors import Vectors, read_vectors, write_vectors

SOURCE_TOKENS, HIDDEN = 32_000, 4_096
DIMENSIONS = {"token_vectors": 300, "source_vectors": 100, "target_vectors": 100}
SHARED = {32_000: 8_000, 128_000: 12_000}
"""Target tokens that the source has."""
TWICE = 1 / 6
"""Share of the tokens that are others with the space before them added or taken off, as in real vocabularies."""
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TABLE_ROWS = 350_000
RIVAL_ROWS = 1_000


def main() -> None:
    """Run what is asked for: all of it, or one method in this process."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    methods = [*(name for name in sorted(INIT_METHODS) if name != "omp"), DEFAULT]
    command.add_argument("--methods", nargs="+", default=methods, help="omp, which takes minutes, only if it is named")
    command.add_argument("--tokens", nargs="+", type=int, choices=sorted(SHARED), default=sorted(SHARED))
    command.add_argument("--decay", type=float, default=0.0, help="how fast the vectors' dimensions shrink; 0: not")
    command.add_argument("--repeats", type=int, default=3, help="of the mapping; the best time is given")
    command.add_argument("--layers", type=int, default=30, help="of the decoder that `calibrated` has read text")
    command.add_argument("--no-tables", action="store_true", help="map only, and write no tables")
    command.add_argument("--one", type=Path, metavar="DIR", help="the first method, in this process, on this input")
    given = command.parse_args()
    if given.one is not None:
        print(json.dumps(run_one(given)))
        return
    for tokens in given.tokens:
        with tempfile.TemporaryDirectory() as name:
            make_input(Path(name), tokens, given.decay)
            for method in given.methods:
                options = [
                    "--methods",
                    method,
                    "--repeats",
                    str(given.repeats),
                    "--layers",
                    str(given.layers),
                    *(["--no-tables"] if given.no_tables else []),
                ]
                line = subprocess.run(
                    [sys.executable, __file__, "--one", name, *options], check=True, capture_output=True, text=True
                ).stdout
                print(f"{method} to {tokens} tokens: {line.splitlines()[-1]}", flush=True)
            compare(Path(name), tokens)


def run_one(given: argparse.Namespace) -> dict[str, float]:
    """Map, make the tables and write them, and return seconds and MiB."""
    folder, (method, *_) = given.one, given.methods
    if method == DEFAULT:
        parts, (wall, used) = timed(lambda: run_default(folder, given.layers))
        figures = {"all": wall, "all_cpu": used, "peak_mib": peak_mib()}
        return parts | {name: round(value, 2) for name, value in figures.items()}
    (source, target), load = timed(lambda: [load_vocabulary(folder / side) for side in ("source", "target")])
    files = {extra: folder / extra for extra in EXTRAS if (folder / extra).exists()}
    task, options = MappingTask(source, target, folder / "table.tsv", **files), read_preset(method).options
    mapped = [timed(lambda: INIT_METHODS[method](task, **options)) for _ in range(given.repeats)]
    wall, used = (min(seconds[place] for _, seconds in mapped) for place in (0, 1))
    figures = {"load": load[0], "map": wall, "map_cpu": used, "mapped_mib": peak_mib()}
    if not given.no_tables:
        model = open_model(folder / "source")
        made, seconds = timed(lambda: TableMaker(model, source, 1).make(mapped[-1][0]))
        (folder / "out").mkdir(exist_ok=True)
        _, writing = timed(lambda: write_model(model, made, folder / "out"))
        figures |= {"tables": seconds[0], "tables_cpu": seconds[1], "write": writing[0], "peak_mib": peak_mib()}
    return {name: round(value, 2) for name, value in figures.items()}


def timed(work: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    """Return what `work` returns, and its wall and CPU seconds."""
    wall, used = perf_counter(), process_time()
    result = work()
    return result, (perf_counter() - wall, process_time() - used)


def peak_mib() -> float:
    """Return the largest memory that this process has had."""
    # Not getrusage: its figure begins with the memory of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def compare(folder: Path, tokens: int) -> None:
    """Print CPU seconds of the search, of the dense formula and of the product alone, extrapolated from some rows."""
    source, target = load_vocabulary(folder / "source"), load_vocabulary(folder / "target")
    left = unit_rows(different(read_vectors(folder / "target_vectors", target).tokens))
    right = unit_rows(different(read_vectors(folder / "source_vectors", source).tokens))
    vectors = unit_rows(different(read_vectors(folder / "token_vectors", target).tokens))
    ones, shared = np.ones(len(right), dtype=np.int64), SHARED[tokens]
    nearest = lambda rows: softmax_of_nearest(rows, right, ones, 10, 0.1)  # noqa: E731
    projected = lambda rows: sparsemax_of_cosines(rows, vectors[:shared])  # noqa: E731
    for name, fast, dense, rows, columns in (
        ("ten nearest", nearest, dense_nearest, left, right),
        ("sparsemax", projected, dense_sparsemax, vectors[shared:], vectors[:shared]),
    ):
        some, share = rows[:RIVAL_ROWS], RIVAL_ROWS / len(rows)
        found, (_, ours) = timed(lambda rows=rows, fast=fast: fast(rows))
        rival, (_, theirs) = timed(lambda some=some, columns=columns, dense=dense: dense(some, columns))
        _, (_, product) = timed(lambda some=some, columns=columns: some @ columns.T)
        worst = abs(found[:RIVAL_ROWS].toarray() - rival).max()
        print(
            f"{name}, {len(rows)} x {len(columns)} x {rows.shape[1]}: {ours:.1f} s CPU; product alone "
            f"{product / share:.1f} s; formula {theirs / share:.0f} s, {theirs / share / ours:.1f} times as much; "
            f"largest difference of a weight {worst:.0e}"
        )


def different(vectors: np.ndarray) -> np.ndarray:
    """Return the rows that are not zero, each once: among ties the formula would take all."""
    rows = vectors[np.any(vectors != 0, axis=1)]
    return rows[distinct_rows(rows)[0]]


def dense_nearest(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return WECHSEL's weights by its formula, shape (rows, columns)."""
    cosines = left.astype(np.float64) @ right.T
    cosines[cosines < np.sort(cosines, axis=1)[:, -10:-9]] = -np.inf
    weights = np.exp((cosines - 1) / 0.1)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def dense_sparsemax(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return FOCUS's weights by its formula, shape (rows, columns)."""
    cosines = left.astype(np.float64) @ right.T
    falling = np.sort(cosines, axis=1)[:, ::-1]
    total, number = falling.cumsum(axis=1), np.arange(1, len(right) + 1)
    support = (1 + number * falling > total).sum(axis=1, keepdims=True)
    return np.asarray(np.maximum(cosines - (np.take_along_axis(total, support - 1, axis=1) - 1) / support, 0))


def make_input(folder: Path, tokens: int, decay: float) -> None:
    """Write the vocabularies, the model, the table, the vectors and the dictionary."""
    known = vocabulary(random.Random(1), SOURCE_TOKENS - len(SPECIAL) - len(BYTES), frozenset())
    shared = random.Random(2).sample(known, SHARED[tokens])
    rest = tokens - len(SPECIAL) - len(BYTES) - len(shared)
    new = shared + vocabulary(random.Random(3), rest, frozenset(known))
    for side, names in (("source", known), ("target", random.Random(4).sample(new, len(new)))):
        save(folder / side, SPECIAL + BYTES + [name.replace(" ", "▁") for name in names])
    save_model(folder / "source")
    generator = random.Random(5)
    lines = []
    for _ in range(TABLE_ROWS):
        units = ["—".join(unit(generator, names)).replace(" ", "▁") for names in (known, new)]
        lines.append(f"{units[0]}\t{units[1]}\t{-generator.random() * 5:.4f}\t{10 + generator.expovariate(0.02):.3f}\n")
    (folder / "table.tsv").write_text("".join(lines), encoding="utf-8")
    loaded = {side: load_vocabulary(folder / side) for side in ("source", "target")}
    names = {side: save_vectors(folder / f"{side}_vectors", loaded[side], True, decay) for side in loaded}
    save_vectors(folder / "token_vectors", loaded["target"], False, decay)
    pairs = zip(names["source"], names["target"], strict=False)
    (folder / "dictionary").write_text("".join(f"{one}\t{other}\n" for one, other in pairs), encoding="utf-8")


def vocabulary(generator: random.Random, number: int, without: frozenset[str]) -> list[str]:
    """Return that many made-up words that are not among `without`."""
    single = [word for word in words(generator, number + len(without)) if word not in without]
    taken, found = {*single, *without}, single[: int(number * (1 - TWICE))]
    other = (word[1:] if word.startswith(" ") else f" {word}" for word in found)
    return (found + [word for word in other if word not in taken] + single[len(found) :])[:number]


def save_model(folder: Path) -> None:
    """Write what is read of a model of 7 billion parameters: its config and its two tables."""
    MistralConfig(vocab_size=SOURCE_TOKENS, hidden_size=HIDDEN, num_hidden_layers=1).save_pretrained(folder)
    generator = torch.Generator().manual_seed(1)
    names = ("model.embed_tokens.weight", "lm_head.weight")
    tables = {
        name: torch.randn((SOURCE_TOKENS, HIDDEN), generator=generator).mul(0.02).to(torch.bfloat16) for name in names
    }
    save_file(tables, folder / "model.safetensors", metadata={"format": "pt"})


def save_vectors(folder: Path, of: Vocabulary, by_word: bool, decay: float) -> list[str]:
    """Draw a vector for each text, without its spaces where `by_word`; return the words, in their order."""
    folder.mkdir()
    dimension = DIMENSIONS[folder.name]
    texts = [text.decode(errors="ignore") for text in of.text]
    texts = [text.strip() for text in texts] if by_word else texts
    number = {text: place for place, text in enumerate(sorted({text for text in texts if text.strip()}))}
    sizes = np.exp(-decay * np.arange(dimension))
    drawn = np.random.default_rng(len(of)).standard_normal((len(number) + 1, dimension)) * sizes
    drawn[-1] = 0
    tokens = drawn[[number.get(text, -1) for text in texts]]
    drawn, names = (drawn[:-1], list(number)) if by_word else (drawn[:0], [])
    write_vectors(Vectors(tokens, drawn, tuple(names)), folder)
    return names


if __name__ == "__main__":
    main()
