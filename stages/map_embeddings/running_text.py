"""What a model would read of the new language, to calibrate it on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from pipeline.errors import UserError
from stages.map_embeddings.frozen_model import check_device, frozen, reading_dtype
from stages.shared.document_encoder import DocumentEncoder
from stages.shared.loading import load_causal_model
from stages.shared.text_sample import sampled_texts, text_bytes
from stages.shared.training.loss import check_plain_head

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


class Reader:
    """A base model that reads windows of text with one table after the other."""

    def __init__(self, base_model: Path, windows: np.ndarray, dtype: torch.dtype, device: str) -> None:
        check_device("calibration", device)
        model = load_causal_model(base_model, reading_dtype(dtype, device))
        check_plain_head(model)
        self.model: Any = frozen(model, device)
        self.windows = torch.from_numpy(windows)

    def hidden_states(self, table: torch.Tensor) -> torch.Tensor:
        """Return what the model, reading with the input table, hands to its head.

        float32 on the model's device, shape (windows x window length, hidden).
        """
        # The model's own module, which may do more than look up: Gemma's scales what it finds.
        weight = table.to(self.model.device, self.model.dtype)
        self.model.get_input_embeddings().weight = torch.nn.Parameter(weight, requires_grad=False)
        decoder, found = self.model.get_decoder(), []
        with torch.inference_mode():
            for window in tqdm(self.windows, desc="calibration", unit="window", mininterval=1):
                states = decoder(input_ids=window[None].to(self.model.device), use_cache=False).last_hidden_state
                found.append(states[0].to(torch.float32))
        return torch.cat(found)

    def loss(self, hidden: torch.Tensor, head: torch.Tensor) -> float:
        """Return the mean cross-entropy of the next token within the windows, nats; `head` is where the states are."""
        states = hidden.view(*self.windows.shape, -1)[:, :-1]
        weight, total = head.to(torch.float32), 0.0
        for window, following in zip(states, self.windows[:, 1:].to(head.device), strict=True):
            total += float(torch.nn.functional.cross_entropy(window @ weight.T, following, reduction="sum"))
        return total / self.windows[:, 1:].numel()
