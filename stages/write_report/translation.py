"""The section on translation: a table with intervals, the sentences that follow from them, and texts side by side."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from stages.shared.artifact import read_json, read_json_lines
from stages.shared.verdict import BETTER, ORDER, PHRASES, TIE, UNKNOWN, WORSE
from stages.write_report.verdict import Sentence

SYSTEMS = {
    "copy": "Source copied",
    "random_in_distribution": "Random reference",
    "base": "Base model, prompted",
    "base_parft": "Base model + ParFT",
    "base_parft_nfr": "Base model + ParFT + NFR",
    "hydra": "Hydra",
    "hydra_parft": "Hydra + ParFT",
    "hydra_parft_nfr": "Hydra + ParFT + NFR",
    "hydra_backft": "Hydra + BackFT",
    "hydra_backft_nfr": "Hydra + BackFT + NFR",
}
"""Names to show; translations made elsewhere go by their own."""
CALLED = {
    "base": "the base model prompted",
    "base_parft": "the base model with ParFT",
    "base_parft_nfr": "the base model with ParFT and NFR",
    "hydra": "the Hydra model",
    "hydra_parft": "the Hydra model with ParFT",
    "hydra_parft_nfr": "the Hydra model with ParFT and NFR",
    "hydra_backft": "the Hydra model with BackFT",
    "hydra_backft_nfr": "the Hydra model with BackFT and NFR",
}
"""The same in a sentence."""
COMPARED = (
    ("base_parft", "base"),
    ("hydra", "base"),
    ("hydra", "base_parft"),
    ("hydra_parft", "base_parft"),
    ("hydra_parft", "hydra"),
    ("hydra_backft", "hydra"),
    ("hydra_backft", "hydra_parft"),
    *((f"{tuned}_nfr", tuned) for tuned in ("base_parft", "hydra_parft", "hydra_backft")),
)
"""What the sentences are about: the paper's order (arXiv 2408.04303), which is base, base_parft, hydra_parft, hydra,
hydra_backft; the same treatment of both models; and what matches in the prompt do to a tuned one."""
BASELINE = "base"
"""The system that p-values are against."""
FLOOR = "random_in_distribution"
WITHOUT_MODEL = ("copy", FLOOR)
CUT_OFF = "unfinished"
"""Flag of a line whose translation reached the longest length."""
EXAMPLES = 4
"""Lines of each set that are shown with every system's text: the first ones, none picked out."""


def translation_section(inputs: Mapping[str, Path]) -> dict[str, Any] | None:
    """Return what the template shows; None where translation was not evaluated."""
    if "translation" not in inputs:
        return None
    folder = inputs["translation"]
    found = read_json(folder / "translation.json")
    names = list(dict.fromkeys(entry["set"] for entry in found["sets"]))
    best = {name: max(_trained(found, name), default=None) for name in names}
    return {
        **found,
        "floor": above_the_floor(found, names),
        "statements": statements(found),
        "labels": SYSTEMS,
        "tables": [{"name": name, "rows": _rows(found, name), "best": best[name]} for name in names],
        "lines_each": sum(size["sentences"] for size in found["lines"]),
        "cut_off": [
            (SYSTEMS.get(system, system), flags[CUT_OFF])
            for system, flags in found["flags"].items()
            if CUT_OFF in flags
        ],
        "examples": _examples(folder / "translations.jsonl", names),
    }


def _rows(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a set's entries, each with the p-value of its difference from the baseline; None where there is none."""
    compared = [one for one in found["comparisons"] if one["set"] == name]
    p_values = {frozenset((one["system"], one["against"])): one["p_value"] for one in compared}
    return [
        {**entry, "p_value": p_values.get(frozenset((entry["system"], BASELINE)))}
        for entry in found["sets"]
        if entry["set"] == name
    ]


def _trained(found: Mapping[str, Any], name: str) -> list[float]:
    return [entry["chrf"] for entry in found["sets"] if entry["set"] == name and entry["system"] not in WITHOUT_MODEL]


def _examples(path: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    lines = read_json_lines(path)
    return [line for name in names for line in islice((one for one in lines if one["set"] == name), EXAMPLES)]


def above_the_floor(found: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return on which sets which systems write nothing that is nearer to the reference than another's reference.

    Nothing is said of a set of one line, which has no such reference.
    """
    compared = [one for one in found["comparisons"] if one["against"] == FLOOR]
    clauses = []
    for name in names:
        models = [one for one in compared if one["set"] == name and one["system"] not in WITHOUT_MODEL]
        failed = [CALLED.get(one["system"], one["system"]) for one in models if one["verdict"] in (WORSE, TIE)]
        if failed:
            who = "every system" if len(failed) == len(models) > 1 else _listed(failed)
            clauses.append(f"on {_plain(name)} {who}")
    if clauses:
        return f"Not better than a random reference, so hardly translating: {'; '.join(clauses)}."
    if not compared or any(one["verdict"] == UNKNOWN for one in compared):
        return ""
    each = "every set" if {one["set"] for one in compared} == set(names) else "every set of several lines"
    return f"Every model is better than a random reference on {each}."


def statements(found: Mapping[str, Any]) -> list[Sentence]:
    """Return a sentence for each two systems that stand side by side, each from the paired intervals of ChrF."""
    sides = [
        [one for one in found["comparisons"] if (one["system"], one["against"]) == (system, other)]
        for system, other in COMPARED
    ]
    return [_against(found, compared) for compared in sides if compared]


def _against(found: Mapping[str, Any], compared: Sequence[dict[str, Any]]) -> Sentence:
    system, other = (CALLED[compared[0][key]] for key in ("system", "against"))
    sentence: Sentence = [(f"{system[0].upper()}{system[1:]} is ", None)]
    ordered = sorted(compared, key=lambda one: ORDER.index(one["verdict"]))
    for number, entry in enumerate(ordered):
        verdict, before = entry["verdict"], ordered[number - 1]["verdict"] if number else None
        if verdict != before:
            link = "" if before is None else ", but " if {before, verdict} == {WORSE, BETTER} else ", and "
            whom = other if before is None else "it"
            sentence += [(link, None), (PHRASES[verdict], verdict), (f" {whom} ", None)]
        else:
            sentence.append((" and ", None))
        sentence.append((f"on {_plain(entry['set'])} ({_evidence(found, entry)})", None))
    return [*sentence, (".", None)]


def _evidence(found: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    values = {one["system"]: one["chrf"] for one in found["sets"] if one["set"] == entry["set"]}
    figures = f"{values[entry['system']]:.1f} against {values[entry['against']]:.1f}"
    if entry["verdict"] == UNKNOWN:
        return f"{figures}; lines of one origin give no interval"
    return f"{figures}; {signed(entry['difference_low'])} to {signed(entry['difference_high'])}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def signed(value: float) -> str:
    """Return a difference in ChrF with its sign and one decimal.

    >>> signed(-1.26), signed(0.0)
    ('−1.3', '+0.0')
    """
    return f"{value:+.1f}".replace("-", "−")


def _plain(name: str) -> str:
    return name.replace("_", " ")
