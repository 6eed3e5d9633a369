"""From documents and their losses to the figures of evaluation.json."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.evaluate_model.settings import ScoringSettings
from stages.shared.bootstrap import Bootstrap, bits_per_byte_interval
from stages.shared.perplexity import perplexity
from stages.shared.scoring.model import LoadedModel
from stages.shared.scoring.nll import score_documents
from stages.shared.scoring.sample import Document


def evaluate(loaded: LoadedModel, documents: Sequence[Document], settings: ScoringSettings) -> dict[str, Any]:
    """Score the documents and return the figures, JSON values; those of each document under `per_document`.

    `unknown_tokens` is among them where there are some: what they hide is not paid for.
    """
    ids = loaded.encoder.encode([document.text for document in documents])
    window = min(settings.window, loaded.positions or settings.window)
    nll = score_documents(loaded.model, ids, window, settings.batch_tokens)
    per_document = {
        "id": [document.id for document in documents],
        "group": [document.group for document in documents],
        "bytes": [document.bytes for document in documents],
        "words": [document.words for document in documents],
        "tokens": [len(row) - 1 for row in ids],
        "nll": nll.tolist(),
    }
    unknown = loaded.encoder.unknown_tokens(ids)
    return {
        **summarize(per_document, settings),
        **({"unknown_tokens": unknown} if unknown else {}),
        "window": window,
        "documents_in_windows": sum(len(row) > window for row in ids),
        "start_token": loaded.start_token,
        "parameters": sum(weights.numel() for weights in loaded.model.parameters()),
        "vocabulary_size": loaded.encoder.vocabulary_size,
        "per_document": per_document,
    }


def summarize(per_document: dict[str, list[Any]], settings: ScoringSettings) -> dict[str, Any]:
    """Return totals, bits per byte with its bootstrap interval, perplexity and tokens a word.

    The interval is None for documents of a single group, and the perplexity where no float can hold it.
    """
    nll, lengths = np.array(per_document["nll"]), np.array(per_document["bytes"])
    totals = {name: sum(per_document[name]) for name in ("tokens", "words", "bytes")}
    bootstrap = Bootstrap(settings.bootstrap_samples, settings.confidence, settings.seed)
    interval = bits_per_byte_interval(nll, lengths, per_document["group"], bootstrap) or (None, None)
    return {
        "bits_per_byte": math.fsum(nll) / math.log(2) / totals["bytes"],
        "bits_per_byte_low": interval[0],
        "bits_per_byte_high": interval[1],
        "ppl": perplexity(math.fsum(nll) / totals["tokens"]),
        "tokens_per_word": totals["tokens"] / totals["words"],
        "nll": math.fsum(nll),
        **totals,
        "documents": len(nll),
        "groups": len(set(per_document["group"])),
    }
