"""The held-out texts that a probe is measured on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stages.probe_initialization.settings import ProbeSettings
from stages.shared.document_encoder import DocumentEncoder
from stages.shared.other_domain import OtherDomain
from stages.shared.scoring.nll import score_documents
from stages.shared.scoring.sample import Document, read_lines, read_sample, sample_digest, take_first


@dataclass(frozen=True)
class HeldOut:
    """Documents of one domain, and their token ids."""

    documents: Sequence[Document]
    ids: Sequence[Sequence[int]]
    unknown_tokens: int
    """Of the ids those that hide text."""

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of all documents."""
        return sum(document.bytes for document in self.documents)

    def described(self) -> dict[str, Any]:
        """Return what tells whether two probes were measured on the same text, and each document's size."""
        return {
            "sha256": sample_digest(self.documents),
            "tokens": sum(len(row) - 1 for row in self.ids),
            "documents": [document.id for document in self.documents],
            "groups": [document.group for document in self.documents],
            "bytes": [document.bytes for document in self.documents],
            **({"unknown_tokens": self.unknown_tokens} if self.unknown_tokens else {}),
        }


def read_held_out(
    corpus: Path, other: OtherDomain | None, probe: ProbeSettings, encoder: DocumentEncoder
) -> dict[str, HeldOut]:
    """Return the text that rates are chosen on (`validation`) and the domains that are reported (`own`, `other`)."""
    sample = partial(
        read_sample, document_bytes=probe.document_bytes, seed=probe.text_seed, per_group=probe.group_documents
    )
    texts = {
        "validation": sample(corpus / "validation.parquet", probe.selection_bytes),
        "own": sample(corpus / "test.parquet", probe.domain_bytes),
    }
    if other is not None:
        lines = read_lines(other.path, other.lines, other.first_line, other.passage_lines)
        texts["other"] = take_first(lines, probe.domain_bytes, probe.document_bytes)
    ids = {name: encoder.encode([document.text for document in documents]) for name, documents in texts.items()}
    return {name: HeldOut(documents, ids[name], encoder.unknown_tokens(ids[name])) for name, documents in texts.items()}


def document_losses(model: Any, text: HeldOut, probe: ProbeSettings) -> np.ndarray:
    """Return the nll of each document in nats, float64, shape (documents,)."""
    longest = max(len(row) for row in text.ids)
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None) or longest
    model.eval()
    try:
        return score_documents(model, text.ids, min(max(longest, 2), positions), probe.batch_tokens)
    finally:
        model.train()


def bits_per_byte(losses: np.ndarray, text: HeldOut) -> float:
    """Return the mean bits per byte of a domain."""
    return float(math.fsum(losses) / math.log(2) / text.bytes)


def measured(model: Any, texts: Mapping[str, HeldOut], probe: ProbeSettings) -> dict[str, np.ndarray]:
    """Score every domain that is reported."""
    return {name: document_losses(model, text, probe) for name, text in texts.items() if name != "validation"}
