"""The section on questions: a table with intervals for each set, and the sentence that follows from them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.shared.artifact import read_json
from stages.shared.verdict import PHRASES
from stages.write_report.translation import SYSTEMS, signed
from stages.write_report.verdict import Sentence

LABELS = {**SYSTEMS, "adapted": "Adapted model, its one vocabulary", "base": "Base model, its own vocabulary"}
METRICS = {"f1": ("F1", "exact_match", "Exact match"), "accuracy_per_byte": ("Chosen, per byte", "accuracy", "Chosen")}
"""The metric that systems are compared by, its name, and the other one of the set."""


def question_section(inputs: Mapping[str, Path]) -> dict[str, Any] | None:
    """Return what the template shows; None where no questions were asked."""
    if "question_answering" not in inputs:
        return None
    found = read_json(inputs["question_answering"] / "question_answering.json")
    tables = []
    for name in dict.fromkeys(entry["set"] for entry in found["scores"]):
        rows = [entry for entry in found["scores"] if entry["set"] == name]
        main = next(metric for metric in METRICS if metric in rows[0])
        tables.append({"name": name, "rows": rows, "main": main, "names": METRICS[main]})
    return {**found, "tables": tables, "labels": LABELS, "summary": summary(found)}


def summary(found: Mapping[str, Any]) -> Sentence:
    """Return how the Hydra model stands to the base model on each set, from paired intervals."""
    sentences: Sentence = []
    for entry in found["comparisons"]:
        if (entry["system"], entry["against"]) != ("hydra", "base"):
            continue
        ends = (entry["difference_low"], entry["difference_high"])
        said = "one text gives no interval" if None in ends else f"{signed(ends[0])} to {signed(ends[1])}"
        examples = "1 example" if entry["shots"] == 1 else f"{entry['shots']} examples"
        where = f"{entry['set'].replace('_', ' ')} with {examples}"
        sentences += [(f"On {where}, the Hydra model is ", None), (PHRASES[entry["verdict"]], entry["verdict"])]
        interval = f"{found['confidence'] * 100:g} % interval of the difference"
        sentences.append((f" the base model ({METRICS[entry['metric']][0]}; {interval}: {said}). ", None))
    return sentences
