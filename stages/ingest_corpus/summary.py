"""corpus.json: what was read, dropped and written."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from stages.ingest_corpus import curated
from stages.ingest_corpus.decontamination import summary as decontaminated
from stages.ingest_corpus.dropped import id_sum
from stages.ingest_corpus.raw import FOUND
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_corpus.training_text import HITS, LINES, TRAIN
from stages.shared.artifact import read_json, run_id
from stages.shared.split import SPLITS
from stages.shared.text_table import held_out_index, read_lines, read_rows, table_files

Raw = Sequence[tuple[ResolvedCard, Path]]


class Shard(NamedTuple):
    """A shard after each phase."""

    card: str
    curated: Path
    split: Path
    train: Path

    def tables(self, name: str) -> list[Path]:
        """Return the files of a split, or of what was dropped, that hold anything."""
        if name == "dropped":
            files = [folder / curated.DROPPED for folder in (self.curated, self.split, self.train)]
        else:
            files = [self.train / TRAIN if name == "train" else self.split / f"{name}.parquet"]
        return [path for path in files if pq.read_metadata(path).num_rows]


def summarise(settings: IngestCorpusSettings, out: Path, shards: Sequence[Shard], raw: Raw) -> dict[str, Any]:
    """Return corpus.json's content, measured on the written tables.

    Raises UserError for a card without text or a split without documents, RuntimeError where ids were lost or doubled,
    or training text overlaps with held-out text.
    """
    found = [(card.name, read_json(folder / FOUND)) for card, folder in raw]
    _check_cards(settings, found)
    size = _sizes(out)
    splits = {split: _sum(size, lambda key, split=split: key[0] == split) for split in SPLITS}
    _check_splits({split: splits[split]["documents"] for split in SPLITS}, settings)
    reasons = Counter(read_rows(out / "dropped.parquet", ["card", "reason"]))
    lines = _dropped_lines(shards)
    sources = []
    for card in settings.cards:
        kept = _sum(size, lambda key, name=card.name: key[1] == name)
        counts = {
            "input_documents": sum(entry["documents"] for name, entry in found if name == card.name),
            "kept": kept["documents"],
            "dropped": {reason: count for (name, reason), count in sorted(reasons.items()) if name == card.name},
            "words": kept["words"],
            "bytes": kept["bytes"],
            "lines_dropped": dict(sorted(lines[card.name].items())),
            "broken": _broken(entry for name, entry in found if name == card.name),
        }
        if counts["input_documents"] != counts["kept"] + sum(counts["dropped"].values()):
            raise RuntimeError(f"{card.name}: documents were lost or doubled: {counts}")
        sources.append({"name": card.name, "licence": card.licence} | counts)
    overlap = held_out_index(out).count(read_lines(out / "train.parquet", "text"))
    if overlap:
        raise RuntimeError(f"{overlap} training lines hold a held-out sentence, though they were looked for")
    return {
        "run": run_id(out),
        "sources": sources,
        "splits": splits,
        "split": settings.corpus.split.model_dump(),
        "overlap": overlap,
        "ids": _identity(out, shards, raw),
        "rules": _rules(shards),
        "benchmarks": decontaminated(shard.train / HITS for shard in shards),
    }


def seconds(shards: Sequence[Shard]) -> dict[str, float]:
    """Return the seconds of one core that each rule took; no part of corpus.json, where they would differ each time."""
    spent = Counter[str]()
    for shard in shards:
        spent.update(_figures(shard)["seconds"])
    return {rule: round(value, 3) for rule, value in spent.items()}


def _figures(shard: Shard) -> dict[str, Any]:
    found: dict[str, Any] = read_json(shard.curated / curated.FIGURES)
    return found


def _sizes(out: Path) -> dict[tuple[str, str], Counter[str]]:
    """Return documents, words and bytes by split and card."""
    size: dict[tuple[str, str], Counter[str]] = {}
    for split in SPLITS:
        for card, text in read_rows(out / f"{split}.parquet", ["card", "text"]):
            counted = size.setdefault((split, card), Counter())
            counted.update(documents=1, words=len(text.split()), bytes=len(text.encode()))
    return size


def _sum(size: Mapping[tuple[str, str], Counter[str]], chosen: Any) -> dict[str, int]:
    total = Counter[str](documents=0, words=0, bytes=0)
    for key, counted in size.items():
        if chosen(key):
            total.update(counted)
    return dict(total)


def _dropped_lines(shards: Sequence[Shard]) -> dict[str, Counter[str]]:
    lines: dict[str, Counter[str]] = {shard.card: Counter() for shard in shards}
    for shard in shards:
        for folder in (shard.split, shard.train):
            found = read_json(folder / LINES)
            lines[shard.card].update({reason: count for reason, count in found.items() if count})
    return lines


def _broken(found: Iterator[Mapping[str, Any]]) -> dict[str, Any]:
    entries = list(found)
    counts = {name: sum(entry["broken"][name] for entry in entries) for name in ("documents", "files")}
    return counts | {"examples": [example for entry in entries for example in entry["broken"]["examples"]]}


def _identity(out: Path, shards: Sequence[Shard], raw: Raw) -> dict[str, Any]:
    """Return how many ids came in, were kept and dropped, and the sum of their hashes; both must add up."""
    names = {
        "input": [path for _, folder in raw for path in table_files(folder)],
        "kept": [out / f"{split}.parquet" for split in SPLITS],
        "dropped": [out / "dropped.parquet"],
    }
    counts, sums = {}, {}
    for name, paths in names.items():
        counts[name] = sum(pq.read_metadata(file).num_rows for path in paths for file in table_files(path))
        sums[name] = id_sum(row for path in paths for (row,) in read_rows(path, ["id"]))
    if (
        counts["input"] != counts["kept"] + counts["dropped"]
        or sums["input"] != (sums["kept"] + sums["dropped"]) % 2**64
    ):
        raise RuntimeError(f"documents were lost or doubled: {counts}, sums of their hashes {sums}")
    return counts | {"hash_sum": f"{sums['input']:016x}"}


def _rules(shards: Sequence[Shard]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for shard in shards:
        for rule, counts in _figures(shard)["rules"].items():
            found.setdefault(rule, Counter()).update(counts)
    return {rule: dict(sorted(counts.items())) for rule, counts in found.items()}


def _check_cards(settings: IngestCorpusSettings, found: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    read = Counter[str]()
    for name, entry in found:
        read[name] += entry["documents"]
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
