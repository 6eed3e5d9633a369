"""align_tokens: which source words stand where which target words do."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.align_tokens.aligners import aligner
from stages.align_tokens.coverage import table_figures, token_share
from stages.align_tokens.dictionary_quality import dictionary_figures, read_dictionary
from stages.align_tokens.expected_counts import count_pairs
from stages.align_tokens.pruning import table_lines, table_rows
from stages.align_tokens.sentence_pairs import NO_CLEANING, read_pairs, take_evenly
from stages.align_tokens.settings import AlignerSettings, AlignmentSettings, AlignTokensSettings
from stages.align_tokens.word_units import SentencePairs, Sentences, WordUnits
from stages.shared.alignment_table import read_table, write_table
from stages.shared.artifact import write_json
from stages.shared.token_text import load_vocabulary


def align_tokens(settings: AlignTokensSettings, inputs: Mapping[str, Path], out: Path, execution: Execution) -> Metrics:
    """Write table.tsv, fast_align's table of word pairs, and alignment.json, how good it is.

    With a given table, `bitext` may be missing from the inputs: then how much of the text it covers is not known. A
    `dictionary` among the inputs only measures.
    """
    began = perf_counter()
    alignment = settings.alignment
    if isinstance(alignment, AlignerSettings):
        aligner(alignment).check()
    source, target = load_vocabulary(inputs["base_model"]), load_vocabulary(inputs["tokenizer"])
    units = WordUnits(source), WordUnits(target)
    text, figures = read_text(alignment, inputs, units)
    seconds = {"tokenize": perf_counter() - began}
    table = out / "table.tsv"
    if isinstance(alignment, AlignerSettings):
        if text is None:
            raise UserError("an aligner needs bitext: name data cards in bitext.cards, or give alignment=table")
        aligned, parts = align(alignment, text, units, table)
        figures |= aligned
        seconds |= parts
    else:
        shutil.copyfile(alignment.path, table)
    found = table_figures(read_table(table), source, target, alignment.min_count, alignment.examples)
    if not found.figures["table_pairs"]:
        raise UserError(f"{table} has no pairs: give more bitext, or a smaller alignment.table_count.")
    figures = {"method": alignment.method, "min_count": alignment.min_count, **figures}
    figures |= text_figures(text, units[1], found.covered) if text else {}
    figures |= found.figures
    if text and "dictionary" in inputs:
        dictionary = read_dictionary(inputs["dictionary"] / "dictionary.tsv")
        figures |= dictionary_figures(read_table(table), dictionary, text, units)
    described = {**figures, "best_words": found.examples}
    write_json(out / "alignment.json", described)
    return {**figures, **{f"{part}_seconds": round(value, 3) for part, value in seconds.items()}}


def read_text(
    alignment: AlignmentSettings, inputs: Mapping[str, Path], units: tuple[WordUnits, WordUnits]
) -> tuple[tuple[Sentences, Sentences] | None, dict[str, Any]]:
    """Return the bitext in words, None where there is none, and how much of it was left out."""
    if "bitext" not in inputs:
        return None, {}
    cleaning = alignment.cleaning if isinstance(alignment, AlignerSettings) else NO_CLEANING
    source, target, left_out = read_pairs(inputs["bitext"] / "train.parquet", *units, cleaning)
    return (source, target), left_out.figures()


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


def align(
    settings: AlignerSettings, text: tuple[Sentences, Sentences], units: tuple[WordUnits, WordUnits], table: Path
) -> tuple[dict[str, Any], dict[str, float]]:
    """Write the table, expected counts by an E-step of our own; return figures, and the seconds by part."""
    began = perf_counter()
    both = settings.symmetrization != "none"
    sample = SentencePairs(*take_evenly(*text, settings.lexicon_pairs), sizes=(len(units[0]), len(units[1])))
    lexicons = aligner(settings).train(sample, both=both, scratch=table.parent)
    trained = perf_counter()
    pairs = count_pairs(*text, lexicons, settings.symmetrization)
    counted = perf_counter()
    rows = table_rows(pairs, settings.beam_threshold, settings.table_count)
    write_table(table, table_lines(pairs, rows, units[0].names(), units[1].names()))
    # Of the null word only `none` has counts, so that without it the rest is what was linked.
    linked = float(pairs.counts[pairs.keys >= pairs.targets].sum())
    figures = {
        "symmetrization": settings.symmetrization,
        "lexicon_pairs": len(sample.source),
        "lexicon_entries": len(lexicons.forward.keys),
        "links_per_target_word": round(linked / len(text[1].units), 6),
    }
    seconds = {"train": trained - began, "count": counted - trained, "write": perf_counter() - counted}
    return figures, seconds
