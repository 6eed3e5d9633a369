"""The commands about data cards and languages; as in `commands.py`, every one returns an exit status."""

from pathlib import Path

from rich.table import Table

from pipeline.card_check import check_cards
from pipeline.card_lock import load_lock
from pipeline.cards import load_cards
from pipeline.config import languages, load_config
from pipeline.console import console
from pipeline.packaged_text import load_measures, measure, packaged_text
from pipeline.sources import LOCK
from pipeline.trace import Made, Trace, trace


def show_cards() -> int:
    """Check every data card and list them; a fault in one, or in several, is an error."""
    table = Table("card", "role", "languages", "licence", "source", "reader", "pinned", "withdrawn")
    table.columns[0].no_wrap = True
    checked = check_cards(load_lock(LOCK))
    for card, pinned in checked:
        licence, ingest = card.license_name or card.license, card.ingest
        kinds = (ingest.source.kind, ingest.reader.kind)
        table.add_row(card.name, ingest.role, _codes(card.language), licence, *kinds, pinned, card.withdrawn or "")
    console.print(table)
    console.print(f"{len(checked)} cards, all sound.")
    return 0


def _codes(codes: tuple[str, ...]) -> str:
    return " ".join(codes) if len(codes) <= 6 else f"{len(codes)}: {' '.join(codes[:4])} ..."


def trace_source(artifacts: Path, source: str) -> int:
    """List every artifact and model that contains a source."""
    found = trace(artifacts, source)
    _tell_trace(found, artifacts)
    card = load_cards().get(source)
    if card and card.withdrawn:
        console.print(f"The card is withdrawn: {card.withdrawn}")
    for one in found.untold:
        console.print(f"note: {one.folder} has inputs of which nothing is recorded here: it may contain {source}")
    return 0


def _tell_trace(found: Trace, artifacts: Path) -> None:
    if not found.made:
        console.print(f"No artifact under {artifacts} contains {found.source}.")
        return
    table = Table("artifact", "", "state", "made", "runs", "fingerprint")
    table.columns[0].no_wrap = True
    for column in table.columns[4:]:
        column.overflow = "fold"  # a name cut short would name nothing
    for one in sorted(found.made, key=lambda one: (not one.is_model, str(one.folder))):
        table.add_row(*_row(one, found, artifacts))
    console.print(table)
    models = sum(one.is_model for one in found.made)
    console.print(f"{len(found.made)} artifacts under {artifacts} contain {found.source}, {models} of them models.")


def _row(one: Made, found: Trace, artifacts: Path) -> tuple[str, ...]:
    path = str(one.folder.relative_to(artifacts)) if one.folder else one.artifact
    runs = " ".join(found.runs.get(one.fingerprint, ())) or "none"
    return path, "model" if one.is_model else "", one.state, one.date[:16].replace("T", " "), runs, one.fingerprint


def show_languages(measured: bool) -> int:
    """List the languages that LANG may be, with the text that packages hold for each; measure what is new if told."""
    configs = [load_config([f"language={name}"]) for name in languages()]
    if measured:
        console.print(f"Measured {measure(configs)} cards.")
    table = Table("LANG", "language", "code", "script")
    for column in ("cards", "corpus MB", "words", "bitext pairs", "dictionary pairs"):
        table.add_column(column, justify="right")
    measures, missing = load_measures(), dict[str, tuple[str, ...]]()
    for config in configs:
        text, language = packaged_text(config, measures), config.language
        counts = [f"{count:,}" for count in (text.words, text.pairs, text.dictionary_pairs)]
        figures = (str(len(config.cards["packaged"].corpus)), f"{text.bytes / 1e6:.2f}", *counts)
        table.add_row(language.name, language.english_name, language.code, language.script, *figures)
        if text.unmeasured:
            missing[language.name] = text.unmeasured
    console.print(table)
    console.print("Distinct lines of the packaged cards that do not repeat the source; before cleaning.")
    for name, cards in missing.items():
        console.print(f"note: not measured with these files, counted as nothing: {name}: {', '.join(cards)}")
    return 0
