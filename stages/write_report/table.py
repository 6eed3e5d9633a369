"""The results as tables for the terminal; imports neither torch nor numpy, since every command loads it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from stages.shared.verdict import BETTER, TIE, WORSE, signed
from stages.write_report.verdict import verdict_of

COLOURS = {WORSE: "red", BETTER: "green", TIE: "yellow"}


def number(value: float | None, decimals: int = 1) -> str:
    """Return a figure that fits a column.

    >>> number(None), number(3829.96), number(30561230.0), number(2.2631, 3)
    ('–', '3,830.0', '3.06e+07', '2.263')
    """
    if value is None:
        return "–"
    return f"{value:,.{decimals}f}" if abs(value) < 1e6 else f"{value:.2e}"


def interval(low: float | None, high: float | None) -> str:
    """Return an interval of bits per byte.

    >>> interval(2.1, 2.25), interval(None, None)
    ('2.100–2.250', '–')
    """
    return "–" if low is None or high is None else f"{low:.3f}–{high:.3f}"


def results_table(results: Mapping[str, Any]) -> Table:
    """Return the systems of results.json, the one with the fewest bits per byte in bold, the summary below."""
    title = f"{results['base_model']} → {results['language']}: {results['sample']['documents']} held-out documents"
    table = Table(title=Text(title), caption=Text(results["summary"]), caption_justify="left", title_justify="left")
    table.add_column("system")
    share = f"{results['confidence'] * 100:g} % interval"
    for heading in ("tokens trained", "bits per byte", share, "ppl", "ppl x token ratio", "ppl Mielke", "tokens/word"):
        table.add_column(heading, justify="right")
    best = min(system["bits_per_byte"] for system in results["systems"])
    for system in results["systems"]:
        row = [
            system["name"],
            f"{system['tokens_trained']:,}",
            number(system["bits_per_byte"], 3),
            interval(system["bits_per_byte_low"], system["bits_per_byte_high"]),
            number(system["ppl"]),
            number(system["ppl_token_ratio"]),
            number(system["ppl_mielke"]),
            number(system["tokens_per_word"], 2),
        ]
        table.add_row(*map(Text, row), style="bold" if system["bits_per_byte"] == best else None)
    return table


def comparison_table(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Return one row for each `(label, results)` of a multirun: the adapted model, and how it stands to the others."""
    table = Table(title="bits per byte; differences with their intervals", title_justify="left")
    table.add_column("run")
    for heading in (
        "language",
        "mapped",
        "adapted",
        "interval",
        "against source",
        "against source_finetuned",
        "tokens/word",
    ):
        table.add_column(heading, justify="right")
    for label, results in runs:
        systems = {system["name"]: system for system in results["systems"]}
        adapted, mapped = systems["adapted"], systems.get("mapped", {})
        table.add_row(
            Text(label),
            Text(results["language"]),
            number(mapped.get("bits_per_byte"), 3),
            number(adapted["bits_per_byte"], 3),
            interval(adapted["bits_per_byte_low"], adapted["bits_per_byte_high"]),
            _difference(results, "source"),
            _difference(results, "source_finetuned"),
            number(adapted["tokens_per_word"], 2),
        )
    return table


def _difference(results: Mapping[str, Any], against: str) -> Text:
    found = verdict_of(results["comparisons"], "adapted", against)
    if found is None:
        return Text("–")
    verdict = found["verdict"]
    return Text(f"{signed(found['difference'])} {verdict}", style=COLOURS.get(verdict, ""))
