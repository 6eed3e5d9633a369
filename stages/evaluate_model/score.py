"""Score any model on any text: `python -m stages.evaluate_model.score MODEL_DIR TEXT_FILE` prints one line of JSON."""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.errors import UserError
from stages.evaluate_model.settings import ScoringSettings

SETTINGS = Path(__file__).resolve().parents[2] / "conf" / "evaluation" / "default.yaml"
PRINTED = (
    "bits_per_byte",
    "bits_per_byte_low",
    "bits_per_byte_high",
    "ppl",
    "ppl_token_ratio",
    "ppl_mielke",
    "tokens_per_word",
    "tokens",
    "words",
    "bytes",
    "documents",
    "nll",
    "window",
    "start_token",
    "unknown_tokens",
)


def main(arguments: Sequence[str]) -> int:
    """Print the figures on standard output, all else on standard error; exit status 2 for what the user can mend."""
    options = _parser().parse_args(arguments)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            figures = score(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps({name: figures[name] for name in PRINTED if name in figures}, allow_nan=False))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate_model.score", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL_DIR", help="Hugging Face folder of a causal model")
    parser.add_argument("text", type=Path, metavar="TEXT_FILE", help="UTF-8 text, one document a line")
    parser.add_argument(
        "--reference-tokenizer",
        type=Path,
        metavar="DIR",
        help="tokenizer that ppl_token_ratio and ppl_mielke are stated for; without it they are null",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    for name in ("window", "threads", "batch_tokens", "precision"):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, metavar="VALUE", help=f"instead of scoring.{name} in conf/evaluation/default.yaml")
    return parser


def score(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of evaluation.json and the two normalised perplexities, null without a reference."""
    settings = _settings(options)
    from stages.shared.scoring.sample import read_lines

    documents = read_lines(options.text)
    # Below the checks: torch takes seconds to import.
    from stages.evaluate_model.figures import evaluate
    from stages.shared.document_encoder import load_encoder
    from stages.shared.perplexity import normalized_perplexity
    from stages.shared.scoring.model import load_model

    reference_tokens = None
    if options.reference_tokenizer:
        encoder = load_encoder(options.reference_tokenizer)
        reference_tokens = sum(len(ids) - 1 for ids in encoder.encode([document.text for document in documents]))
    loaded = load_model(options.model, settings.precision, options.device, settings.threads)
    figures = evaluate(loaded, documents, settings)
    figures |= {"ppl_token_ratio": None, "ppl_mielke": None}
    if reference_tokens:
        normalized = normalized_perplexity(figures["nll"] / figures["tokens"], figures["tokens"], reference_tokens)
        figures |= {"ppl_token_ratio": normalized.token_ratio, "ppl_mielke": normalized.mielke}
    return figures


def _settings(options: argparse.Namespace) -> ScoringSettings:
    values = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))["scoring"]
    given = {name: value for name, value in vars(options).items() if name in values and value is not None}
    try:
        return ScoringSettings.model_validate(values | given)
    except ValidationError as error:
        faults = error.errors()
        lines = "; ".join(f"--{fault['loc'][0]}={fault['input']}: {fault['msg']}" for fault in faults)
        raise UserError(lines) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
