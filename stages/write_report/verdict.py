"""The sentence that says whether the adapted model is better, worse or neither."""

from collections.abc import Sequence
from typing import Any

from stages.shared.verdict import BETTER, ORDER, PHRASES, TIE, UNKNOWN, WORSE, signed

AGAINST = {
    "source": "{base} as it came",
    "source_finetuned": "{base} trained on the same text with its own tokenizer",
}

Sentence = list[tuple[str, str | None]]
"""Pieces of text, each with the verdict that it states or None."""


def summary(results: dict[str, Any], language: str) -> Sentence:
    """Return the first sentence of the report, from the paired intervals of adapted against the source systems."""
    compared = [
        entry for entry in results["comparisons"] if entry["system"] == "adapted" and entry["against"] in AGAINST
    ]
    compared.sort(key=lambda entry: ORDER.index(entry["verdict"]))
    trained = next((entry["tokens_trained"] for entry in results["systems"] if entry["name"] == "adapted"), 0)
    sentence: Sentence = [(f"On held-out {language} text, the adapted model, trained on {trained:,} tokens, is ", None)]
    if not compared:
        return [(f"On held-out {language} text, no system was compared with the source model.", None)]
    before = None
    for number, entry in enumerate(compared):
        if number:
            opposed = {before, entry["verdict"]} == {WORSE, BETTER}
            sentence.append((", but " if opposed else ", and ", None))
        before = entry["verdict"]
        sentence.append((PHRASES[before], before))
        sentence.append(
            (f" {AGAINST[entry['against']].format(base=results['base_model'])} ({_evidence(entry, results)})", None)
        )
    return [*sentence, (".", None)]


def _evidence(entry: dict[str, Any], results: dict[str, Any]) -> str:
    values = {system["name"]: system["bits_per_byte"] for system in results["systems"]}
    figures = f"{values['adapted']:.3f} against {values[entry['against']]:.3f} bits per byte"
    if entry["verdict"] == UNKNOWN:
        return f"{figures}; one document gives no interval"
    interval = f"{signed(entry['difference_low'])} to {signed(entry['difference_high'])}"
    zero = ", which holds 0" if entry["verdict"] == TIE else ""
    share = f"{results['confidence'] * 100:g} %"
    return f"{figures}; {share} interval of the difference {interval}{zero}"


def verdict_of(comparisons: Sequence[dict[str, Any]], system: str, against: str) -> dict[str, Any] | None:
    """Return the comparison of two systems, None where it was not made."""
    return next((entry for entry in comparisons if (entry["system"], entry["against"]) == (system, against)), None)
