"""report.html: one page that needs nothing beside itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.shared.artifact import read_json
from stages.shared.page.environment import page_environment
from stages.shared.token_text import load_vocabulary
from stages.shared.verdict import signed
from stages.write_report import charts, provenance
from stages.write_report.questions import question_section
from stages.write_report.settings import WriteReportSettings
from stages.write_report.systems import NAMES, System
from stages.write_report.table import interval, number
from stages.write_report.token_table import token_table
from stages.write_report.tokenization import cut_samples
from stages.write_report.translation import translation_section
from stages.write_report.tuning import read_tuning
from stages.write_report.verdict import summary

TEMPLATES = Path(__file__).parent / "templates"
WRITING = ("source", "source_finetuned", "mapped", "adapted", "merged")
"""Systems whose generated text is shown."""
ABOUT = {
    "source": "as it came, its own tokenizer",
    "source_finetuned": "trained on the same text, its own tokenizer",
    "random": "new tokenizer, random new rows, not trained",
    "mapped": "new tokenizer, mapped rows, not trained",
    "adapted": "mapped, then trained",
    "merged": "two models, each from one language's bitext alone, averaged after their training",
}
OWN_TOKENIZER = {"adapted": "trained, its own tokenizer"}
"""Where the source model's tokenizer was kept."""


@dataclass(frozen=True)
class Report:
    """What the page is made from."""

    settings: WriteReportSettings
    results: dict[str, Any]
    systems: Sequence[System]
    inputs: Mapping[str, Path]


def render_page(report: Report) -> str:
    """Return the HTML; every text in it is escaped, and equal inputs give equal bytes."""
    environment = page_environment(TEMPLATES)
    environment.filters |= {"number": number, "signed": signed}
    about = ABOUT if "tokenizer" in report.inputs else ABOUT | OWN_TOKENIZER
    environment.globals |= {"interval": interval, "labels": NAMES, "about": about}
    return environment.get_template("report.html.j2").render(**_context(report))


def _context(report: Report) -> dict[str, Any]:
    settings, results, inputs = report.settings, report.results, report.inputs
    labels = {system.name: system.label for system in report.systems}
    manifests = provenance.read_manifests(inputs)
    source = load_vocabulary(inputs["base_model"])
    target = load_vocabulary(inputs["tokenizer"]) if "tokenizer" in inputs else source
    cut_by = {"base": source} | ({"new": target} if "tokenizer" in inputs else {})
    bars, bar_ticks = charts.bars(results["systems"], labels)
    shown = [entry for entry in results["comparisons"] if entry["against"] != "random"]
    differences, difference_ticks = charts.differences(shown)
    return {
        "language": settings.language,
        "results": results,
        "summary": summary(results, settings.language.english_name),
        "leaderboard": _leaderboard(inputs),
        "facts": _facts(report, manifests),
        "best": min(system["bits_per_byte"] for system in results["systems"]),
        "bars": bars,
        "bar_ticks": bar_ticks,
        "differences": differences,
        "difference_ticks": difference_ticks,
        "losses": charts.loss_chart(report.systems),
        "held_out": charts.held_out_charts(report.systems, _watched(report)),
        "sentences": cut_samples(settings.report.sample_sentence, settings.language, cut_by),
        "cut_by": list(cut_by),
        "alignment": _alignment(inputs, settings.report.aligned_words),
        "tokens": token_table(inputs, source, target, settings.report.listed_tokens),
        "samples": _samples(report.systems),
        "decoding": _decoding(manifests),
        "tuning": read_tuning(inputs),
        "translation": translation_section(inputs),
        "questions": question_section(inputs),
        "cards": provenance.read_cards(inputs),
        "recipes": provenance.recipes(manifests),
        "versions": provenance.versions(manifests),
    }


def _watched(report: Report) -> dict[str, str]:
    """Return what the report calls the texts that trainings are watched on."""
    language = report.settings.language
    source = f"The source language ({language.source_code})"
    return {"target": language.english_name, "other": f"{language.english_name}, another domain", "source": source}


def _facts(report: Report, manifests: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the run at a glance, as far as the manifests say it."""
    by_name = {system.name: system.evaluation for system in report.systems}
    made = manifests.get("initialized_model", {}).get("recipe", {}).get("settings", {})
    sample = report.results["sample"]
    facts = [("Base model", report.settings.base_model_name)]
    if "source" in by_name:
        facts.append(("Parameters", f"{by_name['source']['parameters'] / 1e6:,.1f} M"))
        facts.append(("Its vocabulary", f"{by_name['source']['vocabulary_size']:,}"))
    if "adapted" in by_name and "tokenizer" in report.inputs:
        facts.append(("New vocabulary", f"{by_name['adapted']['vocabulary_size']:,}"))
    if "mapping" in made:
        calibrated = made.get("calibration", {}).get("method", "none") != "none"
        facts.append(("Mapping", f"{made['mapping']['method']}{', calibrated' if calibrated else ''}"))
    trained = next((system.tokens_trained for system in report.systems if system.name == "adapted"), 0)
    facts.append(("Trained on", f"{trained:,} tokens"))
    facts.append(("Measured on", f"{sample['documents']:,} documents, {sample['bytes'] / 1000:,.1f} kB"))
    return facts


def _alignment(inputs: Mapping[str, Path], words: int) -> dict[str, Any] | None:
    """Return the best-aligned words and the coverage; None where the mapping needed no alignment."""
    if "alignment" not in inputs:
        return None
    found = read_json(inputs["alignment"] / "alignment.json")
    best = found.get("best_words", [])[:words]
    most = max((pair["count"] for pair in best), default=1)
    rows = [{**pair, "width": round(100 * pair["count"] / most, 2)} for pair in best]
    measured = {key: found.get(f"dictionary_{key}") for key in ("pairs", "precision", "recall_1", "recall_3")}
    shown = {"rows": rows, "coverage": found.get("token_coverage"), "sentences": found.get("sentences")}
    return shown | {"dictionary": measured if measured["pairs"] else None}


def _leaderboard(inputs: Mapping[str, Path]) -> str | None:
    """Return the section on initialisations, HTML that its own stage escaped; None where none were compared."""
    if "leaderboard" not in inputs:
        return None
    return (inputs["leaderboard"] / "section.html").read_text(encoding="utf-8")


def _decoding(manifests: Mapping[str, Mapping[str, Any]]) -> str:
    """Return how the systems wrote their texts; a recipe names only what is not greedy."""
    generation = manifests.get("evaluation_source", {}).get("recipe", {}).get("settings", {}).get("generation", {})
    return str(generation.get("decoding", {}).get("method", "greedy"))


def _samples(systems: Sequence[System]) -> list[dict[str, Any]]:
    """Return each prompt with what the systems made of it."""
    writing = sorted((s for s in systems if s.name in WRITING and s.samples), key=lambda s: WRITING.index(s.name))
    if not writing:
        return []
    return [
        {**prompt, "texts": [(system.name, system.label, system.samples[number]["continuation"]) for system in writing]}
        for number, prompt in enumerate(writing[0].samples)
    ]
