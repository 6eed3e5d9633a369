"""What a bitext holds, of both its sides and in both directions."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.describe_corpus.histograms import Histograms
from stages.describe_corpus.samples import Sample
from stages.describe_corpus.tokens import SAMPLE_CHARACTERS, Tokenizers
from stages.shared.artifact import read_json
from stages.shared.duplicates.text_hashes import text_hashes
from stages.shared.split import SPLITS
from stages.shared.text_table import record_batches
from stages.shared.words import comparable

SIDES = ("source", "target")
ON_DEMAND = ("rules", "alignment", "benchmarks")
"""What a bitext tells of where it was looked at."""
SHOWN = 10
"""Pairs that stayed, to look at."""
SHOWN_CHARACTERS = 300
HASHED_PAIRS = 2_000_000
"""How often sides repeat is counted on about so many pairs at most, all those of some sides."""


@dataclass
class Side:
    """One side's text, counted in one pass."""

    words: Counter[str] = field(default_factory=Counter)
    """By card."""
    characters: Counter[str] = field(default_factory=Counter)
    lengths: Histograms = field(default_factory=Histograms)
    sample: Sample = field(default_factory=lambda: Sample(SAMPLE_CHARACTERS))
    hashes: list[np.ndarray] = field(default_factory=lambda: [np.empty(0, np.uint64)])


def describe_bitext(bitext: Path, tokenizers: Tokenizers) -> dict[str, Any]:
    """Return what corpus_report.json says of a bitext: counts, both sides, both directions, examples."""
    told = read_json(bitext / "bitext.json")
    kept = sum(card["kept"] for card in told["cards"])
    sides, shown = _sides(bitext, min(1.0, HASHED_PAIRS / max(kept, 1)))
    licences = Counter[str]()
    for card in told["cards"]:
        licences[card["licence"]] += card["kept"]
    return {
        "totals": {"pairs": sum(card["pairs"] for card in told["cards"]), "kept": kept},
        "splits": told["splits"],
        "sources": [card | _both(card["name"], sides) for card in told["cards"]],
        "licences": dict(licences.most_common()),
        "lengths": {name: side.lengths.lengths() for name, side in sides.items()},
        "ratios": {unit: _ratios(told["lengths"][unit]) for unit in ("words", "characters")},
        "repeats": {
            "targets_per_source": repeats(sides["source"].hashes),
            "sources_per_target": repeats(sides["target"].hashes),
        },
        "tokens_per_word": {
            "source": {"base": tokenizers.base.tokens_per_word(sides["source"].sample.texts)},
            "target": {
                name: counter.tokens_per_word(sides["target"].sample.texts)
                for name, counter in tokenizers._asdict().items()
            },
        },
        "kept_examples": [dict(zip(SIDES, text.split("\n"), strict=True)) for text in shown.texts[:SHOWN]],
        "examples": told["examples"],
        **{name: told[name] for name in ON_DEMAND if name in told},
        "notes": told["notes"],
    }


def _sides(bitext: Path, share: float) -> tuple[dict[str, Side], Sample]:
    sides, shown = {name: Side() for name in SIDES}, Sample(SHOWN * 2 * SHOWN_CHARACTERS)
    below = np.uint64(min(int(share * 2.0**64), 2**64 - 1))
    for split in SPLITS:
        for batch in record_batches(bitext / f"{split}.parquet", ["id", "card", "source_text", "target_text"]):
            names, cards, *texts = (column.to_pylist() for column in batch.columns)
            for side, column in zip(sides.values(), texts, strict=True):
                for name, card, text in zip(names, cards, column, strict=True):
                    side.words[card] += len(text.split())
                    side.characters[card] += len(text)
                    side.lengths.add(text, ())
                    side.sample.add(name, text)
                hashes = text_hashes(map(comparable, column))
                side.hashes.append(hashes[hashes <= below])
            for name, *pair in zip(names, *texts, strict=True):
                shown.add(name, "\n".join(text[:SHOWN_CHARACTERS] for text in pair))
    return sides, shown


def _both(card: str, sides: Mapping[str, Side]) -> dict[str, int]:
    return {
        f"{name}_{unit}": getattr(side, unit)[card] for name, side in sides.items() for unit in ("words", "characters")
    }


def repeats(hashes: list[np.ndarray]) -> list[dict[str, int]]:
    """Return how many distinct texts are in so many pairs, by powers of two: from, below, texts."""
    _, counts = np.unique(np.concatenate(hashes), return_counts=True)
    if not len(counts):
        return []
    bins = np.bincount(np.floor(np.log2(counts)).astype(np.int64))
    return [{"from": 2**place, "below": 2 ** (place + 1), "texts": count} for place, count in enumerate(bins.tolist())]


def _ratios(lengths: Mapping[str, Any]) -> dict[str, Any]:
    """Return both directions of one unit: the mean over all text, and the pairs by ratio.

    The bins are powers of the root of two, so that the other direction is the same from its end.
    """
    bins = lengths["target_by_source"]
    turned = [bar | {"pairs": other["pairs"]} for bar, other in zip(bins, bins[::-1], strict=True)]
    means = (lengths["target"], lengths["source"])
    return {
        "target_by_source": {"mean": _divided(*means), "bins": bins},
        "source_by_target": {"mean": _divided(*means[::-1]), "bins": turned},
    }


def _divided(over: int, under: int) -> float | None:
    return round(over / under, 4) if under else None
