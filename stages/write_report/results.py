"""results.json: the figures of all systems, and which differences are more than chance."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.shared.bootstrap import Bootstrap, bits_per_byte_interval
from stages.shared.perplexity import normalized_perplexity
from stages.shared.verdict import judge
from stages.write_report.settings import WriteReportSettings
from stages.write_report.systems import System
from stages.write_report.verdict import summary

COMPARED = (
    ("adapted", "source"),
    ("adapted", "source_finetuned"),
    ("adapted", "mapped"),
    ("mapped", "random"),
    ("merged", "adapted"),
)
SIZES = ("documents", "groups", "words", "bytes")
REFERENCE = "source"
"""The system whose tokenizer the normalised perplexities are stated for: the base model's own."""


def build_results(settings: WriteReportSettings, systems: Sequence[System], run: str) -> dict[str, Any]:
    """Return what results.json holds."""
    by_name = {system.name: system for system in systems}
    comparisons = [compare(by_name[a], by_name[b]) for a, b in COMPARED if a in by_name and b in by_name]
    evaluation = systems[0].evaluation
    results = {
        "language": settings.language.name,
        "base_model": settings.base_model_name,
        "run": run,
        "systems": [system_figures(system, by_name.get(REFERENCE)) for system in systems],
        "comparisons": comparisons,
        "confidence": evaluation["bootstrap"]["confidence"],
        "sample": {
            **evaluation["sample"],
            **{key: evaluation[key] for key in ("documents", "groups", "words", "bytes")},
        },
    }
    sentence = summary(results, settings.language.english_name)
    return {**results, "summary": "".join(text for text, _ in sentence)}


def system_figures(system: System, reference: System | None) -> dict[str, Any]:
    """Return one entry of `systems`; without a reference system the normalised perplexities are None."""
    found = system.evaluation
    ratio = mielke = None
    if reference is not None:
        per_token, reference_tokens = found["nll"] / found["tokens"], reference.evaluation["tokens"]
        normalized = normalized_perplexity(per_token, found["tokens"], reference_tokens)
        ratio, mielke = normalized.token_ratio, normalized.mielke
    return {
        "name": system.name,
        "tokens_trained": system.tokens_trained,
        "bits_per_byte": found["bits_per_byte"],
        "bits_per_byte_low": found["bits_per_byte_low"],
        "bits_per_byte_high": found["bits_per_byte_high"],
        "ppl": found["ppl"],
        "ppl_token_ratio": ratio,
        "ppl_mielke": mielke,
        "tokens_per_word": found["tokens_per_word"],
        "tokens": found["tokens"],
        **{key: found[key] for key in ("unknown_tokens",) if key in found},
    }


def compare(system: System, other: System) -> dict[str, Any]:
    """Return the difference in bits per byte, `system` minus `other`, with its paired bootstrap interval.

    Paired: both are resampled with the same groups of documents, so that what makes one hard for both cancels out.
    """
    mine, theirs = system.evaluation["per_document"], other.evaluation["per_document"]
    difference = np.array(mine["nll"]) - np.array(theirs["nll"])
    lengths, bootstrap = np.array(mine["bytes"]), Bootstrap(**system.evaluation["bootstrap"])
    interval = bits_per_byte_interval(difference, lengths, mine["group"], bootstrap)
    low, high = interval or (None, None)
    return {
        "system": system.name,
        "against": other.name,
        "difference": math.fsum(difference) / math.log(2) / float(lengths.sum()),
        "difference_low": low,
        "difference_high": high,
        "verdict": judge(low, high),
    }
