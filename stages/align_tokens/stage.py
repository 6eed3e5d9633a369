"""align_tokens: which source words stand where which target words do."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.align_tokens.coverage import table_figures, token_share
from stages.align_tokens.expected_counts import expected_counts
from stages.align_tokens.fast_align import check_installed, train_lexicon
from stages.align_tokens.pruning import table_lines, table_rows
from stages.align_tokens.settings import AlignTokensSettings, FastAlignSettings
from stages.align_tokens.word_units import Sentences, WordUnits
from stages.shared.alignment_table import read_table, write_table
from stages.shared.token_text import load_vocabulary

BATCH_PAIRS = 8192


def align_tokens(settings: AlignTokensSettings, inputs: Mapping[str, Path], out: Path, execution: Execution) -> Metrics:
    """Write table.tsv, fast_align's table of word pairs, and alignment.json, how good it is.

    With a given table, `bitext` may be missing from the inputs: then how much of the text it covers is not known.
    """
    began = perf_counter()
    alignment = settings.alignment
    if isinstance(alignment, FastAlignSettings):
        check_installed()
    source, target = load_vocabulary(inputs["base_model"]), load_vocabulary(inputs["tokenizer"])
    units = WordUnits(source), WordUnits(target)
    text = read_pairs(inputs["bitext"] / "train.parquet", *units) if "bitext" in inputs else None
    seconds = {"tokenize": perf_counter() - began}
    table = out / "table.tsv"
    if isinstance(alignment, FastAlignSettings):
        if text is None:
            raise UserError("fast_align needs bitext: name data cards in bitext.cards, or give alignment=table")
        seconds |= align(alignment, text, units, table)
    else:
        shutil.copyfile(alignment.path, table)
    found = table_figures(read_table(table), source, target, alignment.min_count, alignment.examples)
    if not found.figures["table_pairs"]:
        raise UserError(f"{table} has no pairs: give more bitext, or a smaller alignment.table_count.")
    figures: dict[str, Any] = {"method": alignment.method, "min_count": alignment.min_count}
    figures |= text_figures(text, units[1], found.covered) if text else {}
    figures |= found.figures
    described = {**figures, "best_words": found.examples}
    (out / "alignment.json").write_text(json.dumps(described, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return {**figures, **{f"{part}_seconds": round(value, 3) for part, value in seconds.items()}}


def text_figures(text: tuple[Sentences, Sentences], target: WordUnits, covered: np.ndarray) -> dict[str, Any]:
    """Return the size of the bitext, and the share of its target tokens that the table has evidence for."""
    tokens = target.token_numbers(text[1])
    return {
        "sentences": len(text[0]),
        "source_words": len(text[0].units),
        "target_words_running": len(text[1].units),
        "target_tokens": int(tokens.sum()),
        "token_coverage": token_share(tokens, covered),
    }


def read_pairs(path: Path, source: WordUnits, target: WordUnits) -> tuple[Sentences, Sentences]:
    """Tokenize the pairs of a bitext and cut them into words; pairs with an empty side are left out."""
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    lengths: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    with pq.ParquetFile(path) as file:
        bar = tqdm(total=file.metadata.num_rows, desc="tokenize pairs", unit=" pairs", mininterval=1)
        for batch in file.iter_batches(BATCH_PAIRS, columns=["source_text", "target_text"]):
            cut = [
                units.cut(batch.column(side).to_pylist())
                for units, side in ((source, "source_text"), (target, "target_text"))
            ]
            full = (np.diff(cut[0].starts) > 0) & (np.diff(cut[1].starts) > 0)
            for side in (0, 1):
                length = np.diff(cut[side].starts)
                parts[side].append(cut[side].units[np.repeat(full, length)])
                lengths[side].append(length[full])
            bar.update(len(batch))
        bar.close()
    if not sum(map(len, lengths[0])):
        raise UserError(f"{path} has no pair with text on both sides: add a bitext to the language's data cards.")
    joined = [
        Sentences(np.concatenate(units), np.concatenate([[0], np.cumsum(np.concatenate(length))]))
        for units, length in zip(parts, lengths, strict=True)
    ]
    return joined[0], joined[1]


def align(
    settings: FastAlignSettings, text: tuple[Sentences, Sentences], units: tuple[WordUnits, WordUnits], table: Path
) -> dict[str, float]:
    """Write the table of fast_align, expected counts by an E-step of our own, and return the seconds by part.

    With -I 7 the original updates its table six times and keeps the sixth's counts: five updates, then the E-step.
    """
    began = perf_counter()
    lexicon = train_lexicon(*text, len(units[1]), settings.iterations - 2, table.parent)
    trained = perf_counter()
    counts = expected_counts(*text, lexicon)
    counted = perf_counter()
    rows = table_rows(lexicon, counts, settings.beam_threshold, settings.table_count)
    write_table(table, table_lines(lexicon, counts, rows, units[0].names(), units[1].names()))
    return {"train": trained - began, "count": counted - trained, "write": perf_counter() - counted}
