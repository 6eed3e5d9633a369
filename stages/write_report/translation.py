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
        "summary": summary(found, names),
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


def summary(found: Mapping[str, Any], names: Sequence[str]) -> Sentence:
    """Return the sentences of the section, each statement from a paired interval of ChrF."""
    sentences: Sentence = []
    for system, other in COMPARED:
        compared = [one for one in found["comparisons"] if (one["system"], one["against"]) == (system, other)]
        if compared:
            sentences += _against(found, compared, first=not sentences)
    if not sentences:
        sentences = [("No two systems were compared that were made alike. ", None)]
    return sentences + _above_the_floor(found, names)


def _against(found: Mapping[str, Any], compared: Sequence[dict[str, Any]], first: bool) -> Sentence:
    languages = f"Translating {found['source_language']} into {found['target_language']}, "
    system, other = (CALLED[compared[0][key]] for key in ("system", "against"))
    begin = f"{languages}{system}" if first else f"{system[0].upper()}{system[1:]}"
    sentence: Sentence = [(f"{begin} is ", None)]
    ordered = sorted(compared, key=lambda one: ORDER.index(one["verdict"]))
    for number, entry in enumerate(ordered):
        opposed = number and {ordered[number - 1]["verdict"], entry["verdict"]} == {WORSE, BETTER}
        if number:
            sentence.append((", but " if opposed else ", and ", None))
        sentence.append((PHRASES[entry["verdict"]], entry["verdict"]))
        whom = f" {other}" if number == 0 else " it"
        sentence.append((f"{whom} on {_plain(entry['set'])} ({_evidence(found, entry)})", None))
    return [*sentence, (". ", None)]


def _evidence(found: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    values = {one["system"]: one["chrf"] for one in found["sets"] if one["set"] == entry["set"]}
    figures = f"ChrF {values[entry['system']]:.1f} against {values[entry['against']]:.1f}"
    if entry["verdict"] == UNKNOWN:
        return f"{figures}; lines of one origin give no interval"
    zero = ", which holds 0" if entry["verdict"] == TIE else ""
    ends = f"{signed(entry['difference_low'])} to {signed(entry['difference_high'])}"
    return f"{figures}; {found['confidence'] * 100:g} % interval of the difference {ends}{zero}"


def _above_the_floor(found: Mapping[str, Any], names: Sequence[str]) -> Sentence:
    """Return on which sets which systems write nothing that is nearer to the reference than another's reference.

    Nothing is said of a set of one line, which has no such reference.
    """
    compared = [one for one in found["comparisons"] if one["against"] == FLOOR]
    failed = {
        name: [
            CALLED.get(one["system"], one["system"])
            for one in compared
            if one["set"] == name and one["verdict"] in (WORSE, TIE)
        ]
        for name in names
    }
    clauses = [f"on {_plain(name)}: {_listed(systems)}" for name, systems in failed.items() if systems]
    if not clauses:
        if not compared or any(one["verdict"] == UNKNOWN for one in compared):
            return []
        each = "every set" if {one["set"] for one in compared} == set(names) else "every set of several lines"
        return [(f"Every model is better than a random reference on {each}.", None)]
    return [(f"Not better than a random reference are, {'; '.join(clauses)}.", None)]


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
