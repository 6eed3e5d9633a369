"""The sentences that follow from the figures of a comparison."""

from collections.abc import Mapping
from typing import Any

from stages.shared.verdict import ORDER, PHRASES, TIE, UNKNOWN, signed

SYSTEM_NAMES = {"adapted": "the adapted model", "source_finetuned": "the source model"}
EQUAL = {"bytes": "bytes of text", "flops": "operations"}
PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")


def claims(found: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each text and variant, and one for what became of the source language."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in found["comparisons"]:
        groups.setdefault((entry["text"], entry["replay"]), []).append(entry)
    sentences = [_standing(entries, found) for (text, _), entries in groups.items() if text != "source"]
    changes = [one for one in found["changes"] if one["text"] == "source"]
    if changes:
        told = "; ".join(_changed(entry) for entry in changes)
        sentences.append(f"Bits per byte of held-out {text_name('source', found)}: {told}.")
    return sentences


def text_name(text: str, found: Mapping[str, Any]) -> str:
    """Return what a text is called."""
    language = str(found["language"]).capitalize()
    names = {"target": language, "other": f"{language} of another domain"}
    return names.get(text, f"text of the source language ({found['source_code']})")


def variant_name(replay: str) -> str:
    """Return how a training with this file of conf/replay/ is told apart."""
    return "" if replay == "none" else f"replay={replay}"


def quantity(value: float, unit: str) -> str:
    """Return an amount with three digits and a prefix.

    >>> quantity(171234.0, "B"), quantity(0.0, "B"), quantity(999.9e12, "FLOP")
    ('171 kB', '0 B', '1 PFLOP')
    """
    power = 0
    while float(f"{value:.3g}") >= 1000 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g} {PREFIXES[power]}{unit}"


def _standing(entries: list[dict[str, Any]], found: Mapping[str, Any]) -> str:
    """Say how the two models of a variant stand on one text, bad news first."""
    text, how = entries[0]["text"], variant_name(entries[0]["replay"])
    parts = [
        f"at equal {EQUAL[entry['at_equal']]} {_verdict(entry, found['confidence'])}"
        for entry in sorted(entries, key=lambda entry: ORDER.index(entry["verdict"]))
    ]
    return (
        f"On held-out {text_name(text, found)}, the adapted model is, against {found['base_model']} trained with its "
        f"own tokenizer{f' (both with {how})' if how else ''}, {', and '.join(parts)}."
    )


def _verdict(entry: Mapping[str, Any], confidence: float) -> str:
    amount = quantity(entry["amount"], "B" if entry["at_equal"] == "bytes" else "FLOP")
    figures = f"{amount}: {entry['adapted']:.3f} against {entry['source_finetuned']:.3f} bits per byte"
    if entry["verdict"] == UNKNOWN:
        side = "lower" if entry["difference"] < 0 else "not lower"
        return f"{side} ({figures}; one seed gives no interval)"
    interval = f"{signed(entry['difference_low'])} to {signed(entry['difference_high'])}"
    zero = ", which holds 0" if entry["verdict"] == TIE else ""
    verdict = PHRASES[entry["verdict"]].rpartition(" ")[0]  # "worse than" without the "than"
    return f"{verdict} ({figures}; {confidence * 100:g} % interval over seeds {interval}{zero})"


def _changed(entry: Mapping[str, Any]) -> str:
    how = variant_name(entry["replay"])
    return (
        f"{SYSTEM_NAMES[entry['system']]}{f' with {how}' if how else ''} {entry['before']:.3f} before, "
        f"{entry['after']:.3f} after"
    )
