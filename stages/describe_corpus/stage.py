"""describe_corpus: what a corpus holds, and what was left out of it and why, for people and for programs."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.stage import Execution, Metrics
from stages.describe_corpus.confusion import by_source, measured_confusion
from stages.describe_corpus.examples import examples
from stages.describe_corpus.histograms import Histograms
from stages.describe_corpus.page import render_page
from stages.describe_corpus.settings import DescribeCorpusSettings
from stages.shared.artifact import read_json, run_id
from stages.shared.split import SPLITS
from stages.shared.text_table import record_batches


def describe_corpus(
    settings: DescribeCorpusSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write report.html and corpus_report.json: the corpus, and what the tokenizers make of its validation text."""
    found = description(settings, inputs, run_id(out))
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    (out / "corpus_report.json").write_text(text, encoding="utf-8")
    (out / "report.html").write_text(render_page(found), encoding="utf-8")
    return {name: found["totals"][name] for name in ("documents", "words", "bytes")}


def description(settings: DescribeCorpusSettings, inputs: Mapping[str, Path], run: str) -> dict[str, Any]:
    """Return what corpus_report.json holds."""
    corpus = read_json(inputs["corpus"] / "corpus.json")
    histograms = Histograms()
    for split in SPLITS:
        for batch in record_batches(inputs["corpus"] / f"{split}.parquet", ["text", "scores"]):
            for text, scores in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                histograms.add(text, scores)
    licences = Counter[str]()
    for source in corpus["sources"]:
        licences[source["licence"]] += source["bytes"]
    tokenizer = read_json(inputs["tokenizer"] / "tokenizer_metrics.json")
    seconds = read_json(inputs["corpus"] / "manifest.json")["metrics"]["rule_seconds"]
    kept = {name: sum(source[name] for source in corpus["sources"]) for name in ("words", "bytes")}
    return {
        "run": run,
        "language": settings.language_name,
        "base_model": settings.base_model_name,
        "totals": {"documents": corpus["ids"]["kept"], **kept},
        **{name: corpus[name] for name in ("ids", "sources", "splits", "near_duplicates", "rules", "benchmarks")},
        "notes": corpus["notes"],
        "rule_seconds": seconds,
        "languages": language_mix(corpus["sources"]),
        "confusion": {"measured": measured_confusion(settings.language_name), "sources": by_source(corpus["sources"])},
        "licences": dict(licences.most_common()),
        "lengths": histograms.lengths(),
        "scores": histograms.scores(),
        "tokens_per_word": {"base": tokenizer["base_tokens_per_word"], "new": tokenizer["tokens_per_word"]},
        "examples": examples(inputs["corpus"] / "dropped.parquet"),
        "line_examples": corpus["line_examples"],
    }


def language_mix(sources: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the blocks of text by the language that they were judged to be in, the most frequent first."""
    counts = Counter[str]()
    for source in sources:
        counts.update(source["languages"])
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
