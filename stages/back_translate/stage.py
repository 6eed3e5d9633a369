"""back_translate: clean text of the new language with machine-made sources, to be tuned on (BackFT)."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.back_translate.seq2seq import translate_seq2seq
from stages.back_translate.settings import (
    BackTranslateSettings,
    CausalBackTranslation,
    DrawnLines,
    FileBackTranslation,
    Seq2SeqBackTranslation,
)
from stages.shared.artifact import write_json
from stages.shared.hydra.loading import load_translator
from stages.shared.text_lines import paired_lines
from stages.shared.text_table import PAIR, read_lines, write_rows
from stages.shared.translation.pairs import Pair
from stages.shared.translation.prompts import UNFINISHED
from stages.shared.translation.settings import Languages, TranslationSettings
from stages.shared.translation.translate import Translated, translate_lines


def back_translate(
    settings: BackTranslateSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write train.parquet as a bitext has it, the sources made by a machine, and back_translation.json with counts.

    Left out are lines without a translation, with themselves for one, or with one that was cut off; `flags` counts
    what became of them. Inputs: `model` and `corpus`, where a model translates. Raises UserError where no pair is left.
    """
    given = settings.back_translation
    if isinstance(given, FileBackTranslation):
        made, flagged = paired_lines(given.source, given.target), Counter[str]()
    else:
        targets = draw_lines(read_lines(inputs["corpus"] / "train.parquet", "text"), given)
        texts = translate_back(targets, settings, inputs["model"], execution)
        # A translation that was cut off says only the beginning of its line.
        made = [("" if UNFINISHED in one.flags else one.text, line) for one, line in zip(texts, targets, strict=True)]
        flagged = Counter(flag for one in texts for flag in one.flags)
    pairs = [pair for pair in dict.fromkeys(made) if usable(pair)]
    if not pairs:
        raise UserError(
            f"none of {len(made)} lines has a translation that can be learnt from ({dict(flagged)}); choose another "
            "back_translation, give a file with back_translation=file, or, where they are cut off (unfinished), raise "
            "translation.new_tokens_per_token"
        )
    rows = [(str(number), "back_translation", "back_translation", *pair) for number, pair in enumerate(pairs)]
    write_rows(out / "train.parquet", PAIR, rows)
    counts = {"lines": len(made), "kept": len(pairs), "flags": dict(sorted(flagged.items()))}
    write_json(out / "back_translation.json", counts)
    return counts


def draw_lines(lines: Iterable[str], given: DrawnLines) -> list[str]:
    """Return lines of the wanted length, each once, in the order of a hash of seed and line."""
    fitting = {line for line in lines if given.least_words <= len(line.split()) <= given.most_words}
    return sorted(fitting, key=lambda line: _draw(line, given.seed))[: given.lines]


def _draw(line: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\t{line}".encode(), digest_size=8).digest() + line.encode()


def translate_back(
    lines: list[str], settings: BackTranslateSettings, folder: Path, execution: Execution
) -> list[Translated]:
    """Return each line's translation into the source language, by the model in a folder."""
    given, asked = settings.back_translation, settings.translation
    assert asked is not None  # a model is always told how it is asked
    if isinstance(given, Seq2SeqBackTranslation):
        return translate_seq2seq(lines, folder, given, asked, execution)
    if isinstance(given, CausalBackTranslation):
        asked = asked.model_copy(update={"prompt": given.prompt})
    return translate_prompted(lines, folder, asked, settings.languages, execution)


def translate_prompted(
    lines: list[str], folder: Path, settings: TranslationSettings, languages: Languages, execution: Execution
) -> list[Translated]:
    """Return each line's translation into the source language, by a plain model or a Hydra model."""
    reverse = languages.backwards()
    model, processor = load_translator(folder, settings.precision, execution.device, settings.threads)
    written = processor.vocabulary_of(reverse.target.code)
    if written != processor.names[0]:  # a Hydra model writes with the new vocabulary unless told
        model.swap_head(written)
        processor.swap_head(written)
    return translate_lines(model, processor, lines, reverse, settings)


def usable(pair: Pair) -> bool:
    """Tell whether there is a translation, and another text than the line itself."""
    source, target = (" ".join(text.casefold().split()) for text in pair)
    return bool(source and target) and source != target
