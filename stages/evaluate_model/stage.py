"""evaluate_model: how well one system predicts held-out text, and what it writes."""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from pipeline.stage import Execution, Metrics
from stages.evaluate_model.figures import evaluate
from stages.evaluate_model.prompts import continue_texts, make_prompts
from stages.evaluate_model.settings import EvaluateModelSettings
from stages.shared.artifact import write_json
from stages.shared.scoring.model import load_model
from stages.shared.scoring.sample import read_sample, sample_digest

SHOWN = ("bits_per_byte", "bits_per_byte_low", "bits_per_byte_high", "ppl", "tokens_per_word", "tokens", "documents")


def evaluate_model(
    settings: EvaluateModelSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write evaluation.json (figures, and those of each document) and samples.json (continuations).

    Every system scores the same documents; figures that compare systems are made by the report, which sees them all.
    """
    scoring, generation = settings.scoring, settings.generation
    corpus = inputs["corpus"] / f"{scoring.split}.parquet"
    documents = read_sample(corpus, scoring.bytes, scoring.document_bytes, scoring.seed)
    loaded = load_model(inputs["model"], scoring.precision, execution.device, scoring.threads)
    began = perf_counter()
    figures = evaluate(loaded, documents, scoring)
    seconds = perf_counter() - began
    samples = continue_texts(loaded, make_prompts(generation, documents), generation)
    context = {
        "sample": {"split": scoring.split, "seed": scoring.seed, "sha256": sample_digest(documents)},
        "bootstrap": {
            "samples": scoring.bootstrap_samples,
            "confidence": scoring.confidence,
            "seed": scoring.seed,
        },
    }
    write_json(out / "evaluation.json", {**figures, **context})
    write_json(out / "samples.json", samples)
    rate = {"tokens_per_s_scored": round(figures["tokens"] / seconds, 1), "seconds_scoring": round(seconds, 1)}
    return {**{name: figures[name] for name in SHOWN}, **rate}
