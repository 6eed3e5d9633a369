"""evaluate_translation: how well each system translates into the new language, and what it writes."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from pipeline.stage import Execution, Metrics
from stages.evaluate_translation.baselines import outputs_from_files, random_in_distribution
from stages.evaluate_translation.line_sets import LineSet, Selection, read_pairs, select
from stages.evaluate_translation.settings import EvaluateTranslationSettings
from stages.evaluate_translation.table import Outputs, compare_systems, score_systems
from stages.shared.artifact import read_json, run_id
from stages.shared.hydra.loading import load_translator
from stages.shared.paired import Bootstrap
from stages.shared.translation.translate import translate_lines


def evaluate_translation(
    settings: EvaluateTranslationSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write translation.json, translations.jsonl (a line a sentence, with every system's text) and the sets' lines.

    Inputs: `bitext`, `corpus` and, where text was back-translated, `back_translation`, in whose training text no line
    may stand, and `system_<name>` for each model. In the table come first what copies the source and what writes
    another line's reference, then the models in their order, then translations made elsewhere.
    """
    scoring = settings.translation_scoring
    sets = read_sets(settings, inputs)
    write_sets(sets, out)
    training = trained_alike(settings.systems, inputs)
    outputs: Outputs = {}
    for name, lines in sets.items():
        outputs[name, "copy"] = lines.sources
        outputs[name, "random_in_distribution"] = random_in_distribution(lines, scoring.seed)
    flags, seconds = dict[str, dict[str, int]](), dict[str, float]()
    for system in settings.systems:
        began = perf_counter()
        written, flags[system] = translate_sets(inputs[f"system_{system}"], settings, sets, execution)
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
    }
    _write_json(out / "translation.json", found)
    write_examples(outputs, sets, out / "translations.jsonl")
    return {"chrf": {f"{entry['set']}/{entry['system']}": entry["chrf"] for entry in entries}, "seconds": seconds}


def read_sets(settings: EvaluateTranslationSettings, inputs: Mapping[str, Path]) -> dict[str, LineSet]:
    """Return the lines of each set, none of which stands in training text."""
    scoring = settings.translation_scoring
    selection = Selection(
        scoring.lines, scoring.seed, settings.language.script, scoring.script_share, scoring.least_words
    )
    pairs = [inputs[name] / "train.parquet" for name in ("bitext", "back_translation") if name in inputs]
    trained_on = {inputs["corpus"] / "train.parquet": "text", **dict.fromkeys(pairs, "target_text")}
    return {
        name: select(name, read_pairs(given, inputs["bitext"]), trained_on, selection)
        for name, given in scoring.sets.items()
    }


def write_sets(sets: Mapping[str, LineSet], out: Path) -> None:
    """Write the lines, so that others can be asked to translate them."""
    (out / "sets").mkdir()
    for name, lines in sets.items():
        for side, texts in (("source", lines.sources), ("target", lines.references)):
            text = "".join(f"{line}\n" for line in texts)
            (out / "sets" / f"{name}.{side}.txt").write_text(text, encoding="utf-8", newline="\n")


def trained_alike(systems: tuple[str, ...], inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Return training.json of the systems tuned on pairs.

    Raises ValueError where two of the same treatment, the last part of their names, saw other pairs or steps.
    """
    found = {}
    for system in systems:
        path = inputs[f"system_{system}"] / "training.json"
        described = read_json(path) if path.is_file() else {}
        if "pairs_sha256" in described:
            found[system] = described
    for treatment in sorted({system.rpartition("_")[2] for system in found}):
        alike = {system: one for system, one in found.items() if system.rpartition("_")[2] == treatment}
        if len({(one["pairs_sha256"], one["steps"]) for one in alike.values()}) > 1:
            raise ValueError(f"the systems {', '.join(alike)} were tuned on different pairs and cannot be compared")
    return found


def translate_sets(
    folder: Path, settings: EvaluateTranslationSettings, sets: Mapping[str, LineSet], execution: Execution
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return one model's translations of each set, and how many lines have each flag."""
    chosen = settings.translation
    model, processor = load_translator(folder, chosen.precision, execution.device, chosen.threads)
    written, flags = {}, Counter[str]()
    for name, lines in sets.items():
        made = translate_lines(model, processor, lines.sources, settings.languages, chosen)
        written[name] = [one.text for one in made]
        flags.update(flag for one in made for flag in one.flags)
    return written, dict(sorted(flags.items()))


def write_examples(outputs: Outputs, sets: Mapping[str, LineSet], path: Path) -> None:
    """Write one line of JSON for each sentence of each set."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for name, lines in sets.items():
            systems = [system for of_set, system in outputs if of_set == name]
            for number, (source, reference) in enumerate(zip(lines.sources, lines.references, strict=True)):
                texts = {system: outputs[name, system][number] for system in systems}
                line = {"set": name, "source": source, "reference": reference, "outputs": texts}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
