"""evaluate_translation: how well each system translates into the new language, and what it writes."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from pipeline.stage import Execution, Metrics
from stages.evaluate_translation.baselines import has_others, outputs_from_files, random_in_distribution
from stages.evaluate_translation.line_sets import LineSet, Selection, TrainingText, read_lines, select
from stages.evaluate_translation.matched_lines import find_matches, lines_to_translate
from stages.evaluate_translation.settings import REPAIRED, EvaluateTranslationSettings
from stages.evaluate_translation.table import Outputs, compare_systems, score_systems
from stages.evaluate_translation.trainings import trained_alike, unequal
from stages.shared.artifact import run_id, write_json
from stages.shared.bootstrap import Bootstrap
from stages.shared.hydra.loading import load_translator
from stages.shared.translation.memory import Match, match_figures
from stages.shared.translation.prompts import Line
from stages.shared.translation.translate import translate_lines


def evaluate_translation(
    settings: EvaluateTranslationSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write translation.json, translations.jsonl (a line a sentence, with every system's text) and the sets' lines.

    Inputs: `bitext`, `corpus` and, where text was back-translated, `back_translation`, in whose training text no line
    may stand, and `system_<name>` for each model. With `matching`, the prompts of systems that were tuned so show pairs
    of the bitext's training text. In the table come first what copies the source and what writes another line's
    reference, then the models in their order, then translations made elsewhere.
    """
    scoring = settings.translation_scoring
    sets = read_sets(settings, inputs)
    write_sets(sets, out)
    training = trained_alike(settings.systems, inputs)
    matches = find_matches(settings, inputs, sets)
    outputs = without_a_model(sets, scoring.seed)
    plain, matched = (lines_to_translate(settings, sets, one) for one in ({}, matches))
    flags, seconds = dict[str, dict[str, int]](), dict[str, float]()
    for system in settings.systems:
        began, asked = perf_counter(), matched if system.endswith(REPAIRED) else plain
        written, flags[system] = translate_sets(inputs[f"system_{system}"], settings, asked, execution)
        outputs |= {(name, system): texts for name, texts in written.items()}
        seconds[system] = round(perf_counter() - began, 1)
    outputs |= outputs_from_files(scoring.outputs, sets)
    bootstrap = Bootstrap(scoring.bootstrap_samples, scoring.confidence, scoring.seed)
    entries, scored = score_systems(outputs, sets, settings.language, bootstrap)
    found = {
        "run": run_id(out),
        "source_language": settings.languages.source.english_name,
        "target_language": settings.languages.target.english_name,
        "decoding": settings.translation.decoding.model_dump(mode="json"),
        "confidence": scoring.confidence,
        "sets": entries,
        "comparisons": compare_systems(scored, bootstrap),
        "lines": [lines.described() for lines in sets.values()],
        "flags": flags,
        "training": training,
        "unequal": unequal(training),
        **({"matches": {name: match_figures(of_set) for name, of_set in matches.items()}} if matches else {}),
    }
    write_json(out / "translation.json", found)
    write_examples(outputs, sets, matches, out / "translations.jsonl")
    return {"chrf": {f"{entry['set']}/{entry['system']}": entry["chrf"] for entry in entries}, "seconds": seconds}


def without_a_model(sets: Mapping[str, LineSet], seed: int) -> Outputs:
    """Return what copies the source and what writes another line's reference, the floor of all figures.

    A set with one reference alone has no such floor: there is no other text.
    """
    outputs: Outputs = {}
    for name, lines in sets.items():
        outputs[name, "copy"] = lines.sources
        if has_others(lines):
            outputs[name, "random_in_distribution"] = random_in_distribution(lines, seed)
    return outputs


def read_sets(settings: EvaluateTranslationSettings, inputs: Mapping[str, Path]) -> dict[str, LineSet]:
    """Return the lines of each set, none of which stands in training text."""
    scoring = settings.translation_scoring
    selection = Selection(
        scoring.lines, scoring.seed, settings.language.script, scoring.script_share, scoring.least_words
    )
    pairs = [inputs[name] / "train.parquet" for name in ("bitext", "back_translation") if name in inputs]
    targets = {inputs["corpus"] / "train.parquet": "text", **dict.fromkeys(pairs, "target_text")}
    trained_on = TrainingText(targets, dict.fromkeys(pairs, "source_text"))
    return {
        name: select(name, read_lines(given, inputs["bitext"]), trained_on, selection)
        for name, given in scoring.sets.items()
    }


def write_sets(sets: Mapping[str, LineSet], out: Path) -> None:
    """Write the lines, so that others can be asked to translate them."""
    (out / "sets").mkdir()
    for name, lines in sets.items():
        for side, texts in (("source", lines.sources), ("target", lines.references)):
            text = "".join(f"{line}\n" for line in texts)
            (out / "sets" / f"{name}.{side}.txt").write_text(text, encoding="utf-8", newline="\n")


def translate_sets(
    folder: Path, settings: EvaluateTranslationSettings, sets: Mapping[str, Sequence[Line]], execution: Execution
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return one model's translations of each set, and how many lines have each flag."""
    chosen = settings.translation
    model, processor = load_translator(folder, chosen.precision, execution.device, chosen.threads)
    written, flags = {}, Counter[str]()
    for name, lines in sets.items():
        made = translate_lines(model, processor, lines, settings.languages, chosen)
        written[name] = [one.text for one in made]
        flags.update(flag for one in made for flag in one.flags)
    return written, dict(sorted(flags.items()))


def write_examples(
    outputs: Outputs, sets: Mapping[str, LineSet], matches: Mapping[str, Sequence[Match | None]], path: Path
) -> None:
    """Write one line of JSON for each sentence of each set, with its match where such were looked for."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for name, lines in sets.items():
            systems = [system for of_set, system in outputs if of_set == name]
            for number, (source, reference) in enumerate(zip(lines.sources, lines.references, strict=True)):
                texts = {system: outputs[name, system][number] for system in systems}
                line: dict[str, Any] = {"set": name, "source": source, "reference": reference, "outputs": texts}
                if name in matches:
                    match = matches[name][number]
                    line["match"] = match._asdict() if match else None
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
