"""describe_corpus: what corpus and bitext hold, and what was left out of them and why, for people and for programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.stage import Execution, Metrics
from stages.describe_corpus.confusion import by_source, measured_confusion
from stages.describe_corpus.examples import examples
from stages.describe_corpus.histograms import Histograms
from stages.describe_corpus.page import render_page
from stages.describe_corpus.pairs import describe_bitext
from stages.describe_corpus.settings import DescribeCorpusSettings
from stages.describe_corpus.tokens import SourceText, load_tokenizers, of_validation
from stages.shared.artifact import read_json, run_id, write_json
from stages.shared.split import SPLITS
from stages.shared.text_table import record_batches


def describe_corpus(
    settings: DescribeCorpusSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write report.html and corpus_report.json: the corpus, what the tokenizers make of it, and the bitext, if any."""
    found = description(settings, inputs, run_id(out))
    write_json(out / "corpus_report.json", found)
    (out / "report.html").write_text(render_page(found), encoding="utf-8")
    return {name: found["totals"][name] for name in ("documents", "words", "bytes")}


def description(settings: DescribeCorpusSettings, inputs: Mapping[str, Path], run: str) -> dict[str, Any]:
    """Return what corpus_report.json holds."""
    corpus = read_json(inputs["corpus"] / "corpus.json")
    tokenizers = load_tokenizers(inputs["base_model"], inputs["tokenizer"])
    histograms, texts = Histograms(), SourceText()
    for split in SPLITS:
        for batch in record_batches(inputs["corpus"] / f"{split}.parquet", ["id", "card", "text", "scores"]):
            for name, card, text, scores in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                histograms.add(text, scores)
                texts.add(card, split, name, text)
    licences = Counter[str]()
    for source in corpus["sources"]:
        licences[source["licence"]] += source["bytes"]
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
        "tokens_per_word": of_validation(inputs["corpus"], tokenizers),
        "tokens_per_word_by_source": texts.figures(tokenizers),
        "examples": examples(inputs["corpus"] / "dropped.parquet"),
        "line_examples": corpus["line_examples"],
        "bitext": describe_bitext(inputs["bitext"], tokenizers) if "bitext" in inputs else None,
    }


def language_mix(sources: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the blocks of text by the language that they were judged to be in, the most frequent first."""
    counts = Counter[str]()
    for source in sources:
        counts.update(source["languages"])
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
