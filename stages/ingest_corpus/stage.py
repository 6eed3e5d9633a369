"""ingest_corpus: the target language's text, curated, deduplicated, split, and without overlap between the splits.

Work goes by shards, in parallel where they do not need each other: read, curate | find repeats | split | join what is
held out | training text, measure. What a killed run has finished of them is used again.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from pipeline.cards import ResolvedCard
from pipeline.errors import UserError
from pipeline.shards import make_once, run_shards
from pipeline.stage import CHECKPOINTS, Execution, Metrics
from stages.ingest_corpus.curated import CurateTask, curate_shard
from stages.ingest_corpus.measured import MEASURED, MeasureTask, Shard, held_out_index, measure_shard
from stages.ingest_corpus.raw import BROKEN, FOUND, RawTask, raw_tasks, read_raw
from stages.ingest_corpus.repeats import CLUSTERS, RepeatsTask, find_repeats
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_corpus.splitting import HELD_OUT, TRAIN_BYTES, SplitTask, split_shard
from stages.ingest_corpus.summary import seconds, summarise
from stages.ingest_corpus.training_text import TRAIN, TrainingTask, training_shard
from stages.shared.artifact import read_json, write_json
from stages.shared.card_documents import part_notes
from stages.shared.curation.curate import notes
from stages.shared.duplicates.benchmark_files import benchmark_index
from stages.shared.duplicates.benchmark_index import BenchmarkIndex
from stages.shared.leftovers import keep_checkpoints_only
from stages.shared.mixture import MixtureSettings, Size, cap_limit, check_weights, repeats, weight_of
from stages.shared.readers.left_out import all_lines
from stages.shared.sources.fetch import fetch_source
from stages.shared.split import SPLITS
from stages.shared.text_table import read_rows, table_files


class Curated(NamedTuple):
    """A raw shard and what became of it."""

    card: ResolvedCard
    raw: Path
    curated: Path


def ingest_corpus(
    settings: IngestCorpusSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write train, validation, test and dropped.parquet, folders of shards, and corpus.json with the counts.

    A document has id, group, card, text, licence, url, scores, and repeats, how often it is read in an epoch; a dropped
    one id, card, reason, check and, some of them, an excerpt. Raises UserError where a source is broken, a card holds
    no text, or a split has no documents.
    """
    if not settings.cards:
        raise UserError(
            "the corpus has no data cards; name some in the language's file under `cards`, or in corpus.cards"
        )
    corpus, work = settings.corpus, out / CHECKPOINTS
    keep_checkpoints_only(out)
    check_weights(corpus.mixture.weights, [card.name for card in settings.cards])
    raw = _read(settings, work, execution)
    found = _curate(raw, settings, work, execution)
    clusters = _repeats(found, settings, work)
    split = _split(found, settings, work, execution)
    train = _training(found, split, settings, work, execution)
    shards = [Shard(one.card.name, one.curated, *both) for one, *both in zip(found, split, train, strict=True)]
    _place(shards, [folder / BROKEN for _, folder in raw], out)
    told = [*notes(corpus.rules, settings.language), *part_notes(settings.cards), *_notes(raw)]
    measured = _measure(shards, work, execution)
    summary = summarise(settings, out, shards, measured, raw) | {"near_duplicates": clusters, "notes": told}
    write_json(out / "corpus.json", summary)
    figures = {name: summary[name] for name in ("splits", "overlap", "ids")}
    return figures | {"rule_seconds": seconds(shards)}


def _read(settings: IngestCorpusSettings, work: Path, execution: Execution) -> list[tuple[ResolvedCard, Path]]:
    """Fetch all sources, and read their files into raw shards; return the folders in order."""
    tasks: dict[Path, RawTask] = {}
    folders = []
    for card in settings.cards:
        files = fetch_source(card.source, card.files, execution.downloads, execution.debian_mirror)
        for number, task in enumerate(raw_tasks(card, files, settings.corpus.reading)):
            folders.append((card, work / "raw" / f"{card.name}-{number:05d}"))
            tasks[folders[-1][1]] = task
    run_shards(read_raw, tasks, execution, "reading")
    return folders


def _curate(
    raw: Sequence[tuple[ResolvedCard, Path]], settings: IngestCorpusSettings, work: Path, execution: Execution
) -> list[Curated]:
    files = [(card, file) for card, folder in raw for file in table_files(folder)]
    found = [Curated(card, file, work / "curated" / f"{number:05d}") for number, (card, file) in enumerate(files)]
    tasks = {
        one.curated: CurateTask(one.raw, one.card.name, one.card.licence, settings.corpus, settings.language)
        for one in found
    }
    run_shards(curate_shard, tasks, execution, "curating")
    return found


def _repeats(found: Sequence[Curated], settings: IngestCorpusSettings, work: Path) -> dict[str, object]:
    """Find what was there before; return what clusters of near duplicates there are."""
    task = RepeatsTask([one.curated for one in found], settings.corpus.duplicates)
    make_once(find_repeats, task, work / "repeats")
    clusters: dict[str, object] = read_json(work / "repeats" / CLUSTERS)
    return clusters


def _split(found: Sequence[Curated], settings: IngestCorpusSettings, work: Path, execution: Execution) -> list[Path]:
    tasks = {
        work / "split" / one.curated.name: SplitTask(
            one.curated, number, one.card.name, work / "repeats", settings.corpus
        )
        for number, one in enumerate(found)
    }
    run_shards(split_shard, tasks, execution, "duplicates out")
    return list(tasks)


def _training(
    found: Sequence[Curated],
    split: Sequence[Path],
    settings: IngestCorpusSettings,
    work: Path,
    execution: Execution,
) -> list[Path]:
    corpus = settings.corpus
    held_out, benchmarks = work / HELD_OUT, work / "benchmarks"
    held_out_index(split).save(held_out)
    shutil.rmtree(benchmarks, ignore_errors=True)
    index: BenchmarkIndex = benchmark_index(corpus.decontamination)
    index.save(benchmarks)
    below = cap_limit(_sizes(found, split, corpus.mixture), corpus.mixture.cap_bytes, corpus.mixture.seed)
    tasks = {
        work / "train" / folder.name: TrainingTask(folder, one.card.name, held_out, benchmarks, below, corpus)
        for one, folder in zip(found, split, strict=True)
    }
    run_shards(training_shard, tasks, execution, "held-out text out of training")
    return list(tasks)


def _sizes(found: Sequence[Curated], split: Sequence[Path], mixture: MixtureSettings) -> Iterator[Size]:
    """Yield the training documents that the weights leave."""
    for one, folder in zip(found, split, strict=True):
        weight = weight_of(one.card.name, mixture.weights)
        sizes = np.load(folder / TRAIN_BYTES).tolist()
        for (name,), size in zip(read_rows(folder / TRAIN, ["id"]), sizes, strict=True):
            if times := repeats(name, weight, mixture.seed):
                yield Size(name, times * size)


def _measure(shards: Sequence[Shard], work: Path, execution: Execution) -> list[dict[str, Any]]:
    """Return what each shard holds, counted in its written tables."""
    tasks = {work / "measured" / shard.curated.name: MeasureTask(shard, work / HELD_OUT) for shard in shards}
    run_shards(measure_shard, tasks, execution, "measuring")
    return [read_json(folder / MEASURED) for folder in tasks]


def _place(shards: Sequence[Shard], broken: Sequence[Path], out: Path) -> None:
    """Give the shards their places in the artifact, after what was broken."""
    skipped = [file for table in broken for file in table_files(table) if pq.read_metadata(file).num_rows]
    for name in (*SPLITS, "dropped"):
        folder = out / f"{name}.parquet"
        folder.mkdir()
        files = skipped if name == "dropped" else []
        files = [*files, *(path for shard in shards for path in shard.tables(name))]
        for number, path in enumerate(files):
            (folder / f"{number:05d}.parquet").hardlink_to(path)


def _notes(raw: Sequence[tuple[ResolvedCard, Path]]) -> list[str]:
    return all_lines(read_json(folder / FOUND)["left_out"] for _, folder in raw)
