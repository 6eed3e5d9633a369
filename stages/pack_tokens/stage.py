"""pack_tokens: the training text as one file of token ids."""

import json
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.pack_tokens.corpus_split import Split, read_split
from stages.pack_tokens.order import document_order, fitting_rows
from stages.pack_tokens.selection import training_rows
from stages.pack_tokens.settings import PackTokensSettings
from stages.pack_tokens.token_store import TokenStore
from stages.shared.artifact import write_json
from stages.shared.document_encoder import DocumentEncoder, load_encoder

VALIDATION_BYTES = 64 * 1024
"""Enough text for a validation loss during training, little enough to cost no time."""


def pack_tokens(settings: PackTokensSettings, inputs: Mapping[str, Path], out: Path, execution: Execution) -> Metrics:
    """Write train and validation tokens, whole documents in a seeded order, each begun by its BOS.

    With the input `match`, another packed_tokens artifact of the same corpus, the documents are exactly that one's
    in that one's order, so that two tokenizers are trained on the same text.
    """
    began = perf_counter()
    encoder = load_encoder(inputs["tokenizer"])
    parts: dict[str, dict[str, Any]] = {}
    for name in ("train", "validation"):
        split = read_split(inputs["corpus"], name)
        parts[name] = pack_split(split, encoder, settings, inputs.get("match"), out)
    meta = {
        "vocabulary_size": encoder.vocabulary_size,
        "dtype": encoder.dtype.name,
        "start_token_id": encoder.start_token_id,
        "sequence_length": settings.sequence_length,
        **parts["train"],
        "validation": parts["validation"],
    }
    write_json(out / "tokens.json", meta)
    seconds = perf_counter() - began
    return {**parts["train"], "validation_tokens": parts["validation"]["tokens"], "seconds": round(seconds, 3)}


def pack_split(
    split: Split, encoder: DocumentEncoder, settings: PackTokensSettings, match: Path | None, out: Path
) -> dict[str, Any]:
    """Choose the documents of a split, write their tokens, starts and rows, and return the figures."""
    with TokenStore(split.path, len(split.ids), encoder.encode, encoder.dtype, out / "scratch.bin") as store:
        if match:
            rows = matched_rows(split, match)
            store.add(rows)
        elif split.name == "validation":
            rows = fitting_rows(document_order(split.ids, settings.seed, epoch=0), split.lengths, VALIDATION_BYTES)
            store.add(rows)
        else:
            rows = training_rows(store, split, settings.tokens, settings.seed)
        starts = store.copy(rows, out / f"{split.name}.bin")
        figures = {
            "tokens": int(store.counts[rows].sum()),
            "bytes": int(split.lengths[rows].sum()),
            "words": int(store.words[rows].sum()),
            "documents": len(rows),
            "epochs": round(len(rows) / split.repeats.sum(), 4) if split.ids else 0.0,
        }
    np.save(out / f"{split.name}_starts.npy", starts)
    np.save(out / f"{split.name}_rows.npy", rows)
    return figures


def matched_rows(split: Split, match: Path) -> np.ndarray:
    """Return the rows of the artifact to match, once they are known to be of this corpus."""
    rows: np.ndarray = np.load(match / f"{split.name}_rows.npy")
    meta = json.loads((match / "tokens.json").read_text(encoding="utf-8"))
    expected = (meta if split.name == "train" else meta["validation"])["bytes"]
    inside = len(rows) == 0 or rows.max() < len(split.ids)
    if not inside or split.lengths[rows].sum() != expected:
        raise UserError(
            f"{match} was packed from another corpus than {split.path.parent}: its {split.name} documents hold "
            f"{expected} bytes there. Pack both from the same corpus."
        )
    return rows
