"""What a model would read of the new language, to calibrate it on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from pipeline.errors import UserError
from stages.shared.document_encoder import DocumentEncoder
from stages.shared.loading import load_causal_model
from stages.shared.text_sample import sampled_texts, text_bytes

BATCH_DOCUMENTS = 1000


@dataclass(frozen=True)
class RunningText:
    """Training text as token ids, each document begun by its start token."""

    counts: np.ndarray
    """How often each token occurs, int64, shape (tokens of the vocabulary,)."""
    windows: np.ndarray
    """Stretches of it, evenly spaced, int64, shape (windows, window length)."""


def read_running_text(corpus: Path, encoder: DocumentEncoder, max_bytes: int, tokens: int, window: int) -> RunningText:
    """Tokenize an even sample of the training text of about `max_bytes` bytes, and cut `tokens` of it into windows.

    Raises UserError where the text is shorter than one window.
    """
    parquet = corpus / "train.parquet"
    texts = sampled_texts(parquet, "text", text_bytes(parquet), max_bytes)
    stream = np.concatenate([np.zeros(0, dtype=np.int64), *(np.array(ids) for ids in _encoded(texts, encoder))])
    if len(stream) < window:
        raise UserError(
            f"{parquet} has {len(stream)} tokens of text, less than calibration.window={window}; give a smaller "
            "window, or the language's data cards more text, or calibration=none"
        )
    number = max(1, min(tokens, len(stream)) // window)
    starts = np.linspace(0, len(stream) - window, number).astype(np.int64)
    counts = np.bincount(stream, minlength=encoder.vocabulary_size)
    return RunningText(counts, np.stack([stream[start : start + window] for start in starts]))


def _encoded(texts: Iterator[str], encoder: DocumentEncoder) -> Iterator[list[int]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == BATCH_DOCUMENTS:
            yield from encoder.encode(batch)
            batch = []
    if batch:
        yield from encoder.encode(batch)


def hidden_states(base_model: Path, table: torch.Tensor, windows: np.ndarray, device: str) -> torch.Tensor:
    """Return what the base model, reading with the new input table, hands to its head.

    float32 on the CPU, shape (windows x window length, hidden).
    """
    model: Any = load_causal_model(base_model, torch.float32 if device == "cpu" else table.dtype)
    model.set_input_embeddings(torch.nn.Embedding(table.shape[0], table.shape[1], _weight=table.to(model.dtype)))
    model.to(device).eval()
    found = []
    with torch.inference_mode():
        for window in tqdm(torch.from_numpy(windows), desc="calibration", unit="window", mininterval=1):
            states = model.get_decoder()(input_ids=window[None].to(device), use_cache=False).last_hidden_state
            found.append(states[0].to("cpu", torch.float32))
    return torch.cat(found)
