"""ingest_bitext: aligned pairs, cleaned, split as the corpus is, and without overlap with anything held out.

Work goes by shards, in parallel where they do not need each other: read and judge | find repeats, train the lexicons |
split | training pairs | held-out pairs, measure. What a killed run has finished of them is used again.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from pipeline.shards import make_once, run_shards
from pipeline.stage import CHECKPOINTS, Execution, Metrics
from stages.ingest_bitext.measured import MEASURED, MeasureTask, Shard, measure_pairs, measure_text
from stages.ingest_bitext.overlaps import (
    BEFORE,
    BENCHMARKS,
    OverlapTask,
    held_out_pairs,
    save_joined,
    training_pairs,
    training_text,
)
from stages.ingest_bitext.pairs import FIGURES, ReadTask, read_pairs
from stages.ingest_bitext.repeats import RepeatsTask, find_repeats
from stages.ingest_bitext.settings import IngestBitextSettings
from stages.ingest_bitext.sides import SideRules
from stages.ingest_bitext.splitting import HELD_OUT, SOURCE_KEYS, TARGET_KEYS, SplitTask, split_pairs
from stages.ingest_bitext.summary import Found, summarise
from stages.ingest_bitext.word_alignment import LexiconTask, train_lexicons
from stages.shared.artifact import read_json, write_json
from stages.shared.card_documents import part_notes, portions
from stages.shared.cleaning import Cleaner
from stages.shared.duplicates.benchmark_files import HITS, benchmark_index, saved_hits
from stages.shared.duplicates.benchmark_files import summary as decontaminated
from stages.shared.duplicates.settings import DecontaminationSettings
from stages.shared.leftovers import keep_checkpoints_only
from stages.shared.overlap import SentenceIndex
from stages.shared.readers.left_out import all_lines
from stages.shared.sources.fetch import fetch_source
from stages.shared.split import SPLITS
from stages.shared.text_settings import SplitSettings
from stages.shared.text_table import read_lines, table_files


class Work(NamedTuple):
    """Where the shards are made, and how."""

    folder: Path
    execution: Execution

    def run(self, phase: str, label: str, work: Callable[[Any, Path], None], tasks: Mapping[str, Any]) -> list[Path]:
        """Run a phase over its tasks by name; return the folders of what was made."""
        made = {self.folder / phase / name: task for name, task in tasks.items()}
        run_shards(work, made, self.execution, label)
        return list(made)


def ingest_bitext(
    settings: IngestBitextSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write train, validation and test.parquet (id, group, card, source_text, target_text) and bitext.json.

    The split is the corpus', by its seed and shares. Where there is a `bitext` of another source language among the
    inputs, what it holds out is held out here. Raises UserError where a source is broken, a card is not
    parallel or holds no pairs, or no training pair is left.
    """
    corpus, work = inputs["corpus"], Work(out / CHECKPOINTS, execution)
    keep_checkpoints_only(out)
    split = SplitSettings.model_validate(read_json(corpus / "corpus.json")["split"])
    cards, read = _read(settings, work)
    parts = _split(settings, split, read, work)
    train, held_out, overlap = _without_overlap(inputs, parts, work, settings.decontamination)
    shards = [Shard(card.name, *both) for card, *both in zip(cards, train, held_out, strict=True)]
    indices = work.folder / "final"
    tasks = {folder.name: MeasureTask(shard, indices) for folder, shard in zip(read, shards, strict=True)}
    measured = [read_json(folder / MEASURED) for folder in work.run("measured", "measuring", measure_pairs, tasks)]
    phases = [
        tuple(read_json(folder / FIGURES) for folder in folders)
        for folders in zip(read, parts, train, held_out, strict=True)
    ]
    found = [Found(*one) for one in zip((card.name for card in cards), phases, measured, strict=True)]
    summary = summarise(settings, found, overlap + sum(one["overlap"] for one in measured))
    for name in SPLITS:
        _join([shard.table(name) for shard in shards], out / f"{name}.parquet", summary["splits"][name]["pairs"])
    bitext, language = settings.bitext, settings.language
    notes = [*Cleaner(bitext.cleaning, language).notes, *SideRules(bitext, language).notes]
    summary |= {
        "pairs_before_overlap": {name: sum(map(_rows, [one / f"{name}.parquet" for one in parts])) for name in SPLITS},
        "split": split.model_dump(),
        "notes": [*notes, *part_notes(settings.cards), *all_lines(one[0]["left_out"] for one in phases)],
    }
    if settings.decontamination.benchmarks:
        summary["benchmarks"] = decontaminated(saved_hits(folder / HITS for folder in train))
    write_json(out / "bitext.json", summary)
    return {name: summary[name] for name in ("splits", "overlap", "ids")}


def _read(settings: IngestBitextSettings, work: Work) -> tuple[list[ResolvedCard], list[Path]]:
    """Fetch all sources, read and judge their pairs; return for each shard its card and folder, in order."""
    if not settings.cards:
        raise UserError(
            "the bitext has no data cards; name parallel ones in the language's file under `cards`, or give a finished "
            "table with alignment=table alignment.path=FILE.tsv"
        )
    bitext, execution, tasks = settings.bitext, work.execution, dict[str, ReadTask]()
    for card in settings.cards:
        folder = fetch_source(card.source, card.files, execution.downloads, execution.debian_mirror)
        for number, only in enumerate(portions(card, folder, bitext.reading)):
            tasks[f"{card.name}-{number:05d}"] = ReadTask(card, folder, only, bitext, settings.language)
    return [task.card for task in tasks.values()], work.run("read", "reading pairs", read_pairs, tasks)


def _split(settings: IngestBitextSettings, split: SplitSettings, read: Sequence[Path], work: Work) -> list[Path]:
    """Split the pairs that were not there before and whose words align."""
    bitext, repeats, lexicons = settings.bitext, work.folder / "repeats", work.folder / "lexicons"
    make_once(find_repeats, RepeatsTask(read, bitext.side_repeats), repeats)
    if bitext.word_alignment is not None:
        make_once(train_lexicons, LexiconTask(read, repeats, bitext.word_alignment), lexicons)
    tasks = {
        folder.name: SplitTask(folder, number, repeats, lexicons, bitext, split) for number, folder in enumerate(read)
    }
    return work.run("split", "duplicates out", split_pairs, tasks)


def _without_overlap(
    inputs: Mapping[str, Path], parts: Sequence[Path], work: Work, decontamination: DecontaminationSettings
) -> tuple[list[Path], list[Path], int]:
    """Return the folders of training and of held-out pairs, and how many lines of the corpus' training text overlap."""
    draft, shared, final = (work.folder / name for name in ("draft", "shared", "final"))
    for folder in (draft, shared, final):
        folder.mkdir(exist_ok=True)
    before = held_out_before(inputs)
    for folder in (draft, final):
        before.save(folder / BEFORE)
    shutil.rmtree(draft / BENCHMARKS, ignore_errors=True)
    benchmark_index(decontamination).save(draft / BENCHMARKS)
    for name in (SOURCE_KEYS, TARGET_KEYS):
        save_joined(parts, name, draft)
    texts = table_files(inputs["corpus"] / "train.parquet")
    train = work.run("train", "held-out text out of training", training_pairs, _against(parts, draft))
    text = work.run("text", "training text of the corpus", training_text, _against(texts, draft))
    for name in (SOURCE_KEYS, TARGET_KEYS):
        save_joined([*train, *text], name, shared)
    held_out = work.run("held_out", "training text out of held-out pairs", held_out_pairs, _against(parts, shared))
    for name in (SOURCE_KEYS, TARGET_KEYS):
        save_joined(held_out, name, final)
    measured = work.run("measured_text", "measuring the corpus", measure_text, _against(texts, final))
    return train, held_out, sum(read_json(folder / MEASURED)["overlap"] for folder in measured)


def _against(tables: Sequence[Path], indices: Path) -> dict[str, OverlapTask]:
    return {path.name: OverlapTask(path, indices) for path in tables}


def held_out_before(inputs: Mapping[str, Path]) -> SentenceIndex:
    """Return the sentences that the corpus, and another bitext where there is one, hold out."""
    tables = [(inputs["corpus"], "text"), *([(inputs["bitext"], "target_text")] if "bitext" in inputs else [])]
    return SentenceIndex(
        line
        for folder, column in tables
        for name in HELD_OUT
        for line in read_lines(folder / f"{name}.parquet", column)
    )


def _join(tables: Sequence[Path], out: Path, pairs: int) -> None:
    """Write the shards' tables as one file, whose rows must be those that were measured."""
    with pq.ParquetWriter(out, pq.read_schema(tables[0]), compression="zstd") as writer:
        for path in tables:
            with pq.ParquetFile(path) as table:
                for number in range(table.num_row_groups):
                    writer.write_table(table.read_row_group(number))
    if _rows(out) != pairs:
        raise RuntimeError(f"{out.name} has {_rows(out)} pairs, but {pairs} were measured")


def _rows(table: Path) -> int:
    rows: int = pq.read_metadata(table).num_rows
    return rows
