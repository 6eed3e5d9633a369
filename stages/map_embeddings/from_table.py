"""Make a token mapping from a table of aligned words: `python -m stages.map_embeddings.from_table --help`."""

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from omegaconf import OmegaConf
from scipy.sparse import csr_matrix, save_npz

from pipeline.errors import UserError
from pipeline.registry import unknown
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.initialization import Initialization, MappingTask
from stages.map_embeddings.methods import NEEDS
from stages.map_embeddings.resolve import explicit_unknown
from stages.map_embeddings.settings import KEEP, MappingSettings
from stages.shared.artifact import write_json
from stages.shared.command_line import run_command
from stages.shared.token_text import Vocabulary, load_vocabulary

PRESETS = Path(__file__).parents[2] / "conf" / "mapping"
EXTRAS = ("text", "dictionary", "donor", "token_vectors", "source_vectors", "target_vectors")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; exit status 2 with one line where the user can mend it."""
    return run_command(parser(), run, arguments)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(
        prog="python -m stages.map_embeddings.from_table",
        description="Map the tokens of one vocabulary to those of another, from a fast_align table with the columns "
        "source unit, target unit, log-probability, count (a unit: the tokens of a word joined by —). Writes a sparse "
        "matrix, target tokens x source tokens, for scipy.sparse.load_npz, and prints the seconds for loading the "
        "tokenizers, for counts (the table included) and for smoothing.",
    )
    command.add_argument("table", type=Path, metavar="TABLE.tsv", help="the alignment table")
    command.add_argument(
        "--pivot-table",
        type=Path,
        action="append",
        default=[],
        metavar="TABLE.tsv",
        help="a table of another source language, whose counts are added; may be given several times",
    )
    command.add_argument("--source", type=Path, required=True, metavar="DIR", help="folder of the source tokenizer")
    command.add_argument("--target", type=Path, required=True, metavar="DIR", help="folder of the new tokenizer")
    command.add_argument("--out", type=Path, required=True, metavar="FILE.npz", help="where the mapping is written")
    command.add_argument("--method", default="trans_tokenize", help=f"one of: {', '.join(presets())}")
    command.add_argument("--counts", type=Path, metavar="FILE.json", help="write the counts of token pairs too")
    for extra in EXTRAS:
        command.add_argument(
            flag(extra), type=Path, metavar="PATH", help=f"{NEEDS[extra].what}, for methods that need it"
        )
    return command


def run(given: argparse.Namespace) -> str:
    """Make the mapping, write it, and return the lines to print."""
    began = perf_counter()
    preset = read_preset(given.method)
    method, options = INIT_METHODS[preset.method], preset.options
    check_needs(given, preset.method)
    if left := left_out(given.method):
        told = f"the {' and the '.join(left)} of {given.method} need{'s' if len(left) == 1 else ''} the base model"
        print(f"note: {told}; the rows written are those of {preset.method} alone", file=sys.stderr)
    source, target = load_vocabulary(given.source), load_vocabulary(given.target)
    loaded = perf_counter()
    initialization = method(task_of(given, source, target), **options)
    weights = explicit_unknown(initialization, source)
    if given.counts and initialization.counts is None:
        raise UserError(f"init method '{given.method}' makes no counts: leave --counts out, or take trans_tokenize")
    if given.counts:
        write_counts(given.counts, initialization.counts, source, target)
    write_weights(given.out, weights)
    seconds = {"load": loaded - began, **initialization.seconds, "all": perf_counter() - began}
    return summary(initialization, given.out, weights, seconds)


def flag(extra: str) -> str:
    """Return the command line's word for a field of MappingTask."""
    return f"--{extra.replace('_', '-')}"


def presets() -> list[str]:
    """Return the names that --method may have: those of conf/mapping/ that make rows."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml") if path.stem != KEEP)


def read_preset(name: str) -> MappingSettings:
    """Return the mapping of a preset; what it does with the model and not with a table is left to the stage."""
    values = preset_values(name)
    return MappingSettings.model_validate({key: value for key, value in values.items() if key != "defaults"})


def left_out(name: str) -> list[str]:
    """Return what a preset does with the model, which a table does not bring along."""
    values = preset_values(name)
    chosen = {key: value for entry in values.get("defaults", ()) for key, value in entry.items()}
    calibrates = chosen.get("override /calibration@_global_.calibration", "none") != "none"
    return ["calibration"] * calibrates + ["warm-up"] * (values["warmup"] != "none")


def preset_values(name: str) -> dict[str, Any]:
    """Return a preset as it is written. Raises UserError where there is none of this name."""
    if name not in presets():
        raise UserError(unknown("init method", name, presets()))
    values = OmegaConf.to_container(OmegaConf.load(PRESETS / f"{name}.yaml"))
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def check_needs(given: argparse.Namespace, method: str) -> None:
    """Raise UserError that names the options which the method needs and that are not given or do not exist."""
    missing = [flag(need) for need in INIT_METHODS[method].missing(given)]
    if missing:
        raise UserError(f"init method '{method}' needs {' and '.join(missing)}")
    read = [("", given.table), *(("--pivot-table ", path) for path in given.pivot_table)]
    read += [(f"{flag(name)} ", getattr(given, name)) for name in EXTRAS]
    absent = [f"{option}{path}" for option, path in read if path is not None and not path.exists()]
    if absent:
        raise UserError(f"{' and '.join(absent)} does not exist")
    for path in filter(None, (given.out, given.counts)):
        if not path.parent.is_dir():
            raise UserError(f"the folder of {path} does not exist; make it first")
        if path.is_dir():
            raise UserError(f"{path} is a folder; give the name of a file to write")


def task_of(given: argparse.Namespace, source: Vocabulary, target: Vocabulary) -> MappingTask:
    """Return what the command line gives a method to work with."""
    extras = {extra: getattr(given, extra) for extra in EXTRAS}
    return MappingTask(source, target, given.table, tuple(given.pivot_table), **extras)


def write_counts(path: Path, counts: csr_matrix | None, source: Vocabulary, target: Vocabulary) -> None:
    """Write {target token: {source token: count}}, in the order of ids."""
    assert counts is not None
    named = {}
    for row, token in enumerate(target.tokens):
        part = slice(counts.indptr[row], counts.indptr[row + 1])
        if part.start < part.stop:
            columns, data = counts.indices[part].tolist(), counts.data[part].tolist()
            named[token] = {source.tokens[column]: count for column, count in zip(columns, data, strict=True)}
    write_json(path, named)


def write_weights(path: Path, weights: csr_matrix) -> None:
    """Write the matrix under exactly this name; save_npz would add .npz to another."""
    # Uncompressed: compressing three million weights took longer than making them.
    with path.open("wb") as file:
        save_npz(file, weights, compressed=False)


def summary(initialization: Initialization, path: Path, weights: csr_matrix, seconds: dict[str, float]) -> str:
    """Return what the command prints: the file, the share that is mapped, and the seconds by part."""
    rows, columns = weights.shape
    times = ", ".join(f"{part} {value:.2f} s" for part, value in seconds.items())
    share = f"{initialization.mapped_share:.1%} of {rows} target tokens mapped to {columns} source tokens"
    empty = rows - int((weights.indptr[1:] > weights.indptr[:-1]).sum())
    left = f", {empty} rows left empty, to be filled by: {initialization.fallback}" if empty else ""
    return f"{path}: {share}, {weights.nnz} weights{left}\nseconds: {times}"


if __name__ == "__main__":
    sys.exit(main())
