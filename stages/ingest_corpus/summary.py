"""corpus.json: what was read, dropped and written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from stages.ingest_corpus import curated
from stages.ingest_corpus.dropped import line_examples
from stages.ingest_corpus.measured import Shard, total
from stages.ingest_corpus.raw import FOUND
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_corpus.training_text import LINES
from stages.shared.artifact import read_json, run_id
from stages.shared.duplicates.benchmark_files import HITS, saved_hits
from stages.shared.duplicates.benchmark_files import summary as decontaminated
from stages.shared.identity import checked_identity
from stages.shared.split import SPLITS
from stages.shared.text_table import table_files

MIX = "blocks_"
Raw = Sequence[tuple[ResolvedCard, Path]]
Found = Sequence[Mapping[str, Any]]
"""Of each raw shard what was read."""
Measured = Sequence[dict[str, Any]]
"""Of each shard what its written tables hold."""


def summarise(
    settings: IngestCorpusSettings, out: Path, shards: Sequence[Shard], measured: Measured, raw: Raw
) -> dict[str, Any]:
    """Return corpus.json's content; `measured` is what each shard's written tables hold.

    Raises UserError for a card without text or a split without documents, RuntimeError where ids were lost or doubled,
    or training text overlaps with held-out text.
    """
    found = [(card.name, read_json(folder / FOUND)) for card, folder in raw]
    _check_cards(settings, found)
    splits = {split: total(one["sizes"][split] for one in measured) for split in SPLITS}
    _check_splits({split: splits[split]["documents"] for split in SPLITS}, settings)
    lines = _dropped_lines(shards)
    sources = []
    for card in settings.cards:
        own = [one for shard, one in zip(shards, measured, strict=True) if shard.card == card.name]
        read = [entry for name, entry in found if name == card.name]
        judged = language_blocks(_rules([shard for shard in shards if shard.card == card.name]))
        counts = {"lines_dropped": dict(sorted(lines[card.name].items())), "languages": judged}
        sources.append(_source(card, read, own) | counts)
    overlap = sum(one["overlap"] for one in measured)
    if overlap:
        raise RuntimeError(f"{overlap} training lines hold a held-out sentence, though they were looked for")
    return {
        "run": run_id(out),
        "sources": sources,
        "splits": splits,
        "split": settings.corpus.split.model_dump(),
        "overlap": overlap,
        "ids": _identity(out, measured, [entry for _, entry in found]),
        "rules": _rules(shards),
        "line_examples": _line_examples(shards),
        "benchmarks": decontaminated(saved_hits(shard.train / HITS for shard in shards)),
    }


def _source(card: ResolvedCard, found: Found, measured: Measured) -> dict[str, Any]:
    """Return what came of one card, by what was read of it and what its shards hold."""
    kept = total(size for one in measured for size in one["sizes"].values())
    reasons = Counter[str]()
    for one in measured:
        reasons.update(one["reasons"])
    broken = _broken(found)
    if broken["documents"]:
        reasons["broken"] = broken["documents"]
    counts = {
        "input_documents": sum(entry["documents"] for entry in found) + broken["documents"],
        "kept": kept["documents"],
        "dropped": dict(sorted(reasons.items())),
        "words": kept["words"],
        "bytes": kept["bytes"],
        "broken": broken,
    }
    if counts["input_documents"] != counts["kept"] + sum(counts["dropped"].values()):
        raise RuntimeError(f"{card.name}: documents were lost or doubled: {counts}")
    return {"name": card.name, "licence": card.licence} | counts


def seconds(shards: Sequence[Shard]) -> dict[str, float]:
    """Return the seconds of one core that each rule took; no part of corpus.json, where they would differ each time."""
    spent = Counter[str]()
    for shard in shards:
        spent.update(_figures(shard)["seconds"])
    return {rule: round(value, 3) for rule, value in spent.items()}


def _figures(shard: Shard) -> dict[str, Any]:
    found: dict[str, Any] = read_json(shard.curated / curated.FIGURES)
    return found


def _dropped_lines(shards: Sequence[Shard]) -> dict[str, Counter[str]]:
    lines: dict[str, Counter[str]] = {shard.card: Counter() for shard in shards}
    for shard in shards:
        for folder in (shard.split, shard.train):
            lines[shard.card].update(read_json(folder / LINES)["counts"])
    return lines


def _line_examples(shards: Sequence[Shard]) -> dict[str, list[str]]:
    """Return ten of the lines that each rule, and each reason after them, took out of documents."""
    by_rules = [_figures(shard)["lines"] for shard in shards]
    later = [read_json(folder / LINES)["examples"] for shard in shards for folder in (shard.split, shard.train)]
    return line_examples([*by_rules, *later])


def _broken(found: Found) -> dict[str, Any]:
    counts = {name: sum(entry["broken"][name] for entry in found) for name in ("documents", "files")}
    return counts | {"examples": [example for entry in found for example in entry["broken"]["examples"]]}


def _identity(out: Path, measured: Measured, found: Found) -> dict[str, Any]:
    """Return how many ids came in, were kept and dropped, and the sum of their hashes; both must add up."""
    counts = {"input": sum(entry["documents"] + entry["broken"]["documents"] for entry in found)}
    for name, tables in (("kept", SPLITS), ("dropped", ("dropped",))):
        files = [file for table in tables for file in table_files(out / f"{table}.parquet")]
        counts[name] = sum(pq.read_metadata(file).num_rows for file in files)
    broken = sum(entry["broken_ids"] for entry in found)
    sums = {
        "input": sum(entry["ids"] for entry in found) + broken,
        "kept": sum(one["ids"]["kept"] for one in measured),
        "dropped": sum(one["ids"]["dropped"] for one in measured) + broken,
    }
    return checked_identity("documents", counts, sums)


def language_blocks(rules: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return the blocks of text by the language that they were judged to be in, the most frequent first."""
    counts = {
        name.removeprefix(MIX): count for name, count in rules.get("language", {}).items() if name.startswith(MIX)
    }
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _rules(shards: Sequence[Shard]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for shard in shards:
        for rule, counts in _figures(shard)["rules"].items():
            found.setdefault(rule, Counter()).update(counts)
    return {rule: dict(sorted(counts.items())) for rule, counts in found.items()}


def _check_cards(settings: IngestCorpusSettings, found: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    read = Counter[str]()
    for name, entry in found:
        read[name] += entry["characters"]
    for card in settings.cards:
        if not read[card.name]:
            raise UserError(
                f"data card {card.name}: no text in any of its files. If they are empty or cut off, delete them and "
                "fetch them again; else leave the card out of the language's `cards`"
            )


def _check_splits(documents: Mapping[str, int], settings: IngestCorpusSettings) -> None:
    names = ", ".join(card.name for card in settings.cards)
    if not sum(documents.values()):
        raise UserError(
            f"the corpus is empty: no document of {names} stayed after cleaning. Check that the cards hold "
            f"{settings.language.english_name} text in the script {settings.language.script}, or choose other cards"
        )
    for split, count in documents.items():
        if not count:
            raise UserError(
                f"the {split} split has no documents ({sum(documents.values())} in all, from {names}). Choose another "
                "corpus.split.seed, larger corpus.split.test_share and validation_share, or add a data card"
            )
