"""What an encoder would predict of the new language, to calibrate it on."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from pipeline.errors import UserError
from stages.map_embeddings.calibration import CHUNK
from stages.map_embeddings.frozen_model import check_device, frozen, reading_dtype
from stages.shared.loading import load_masked_model
from stages.shared.model_folder import padding_position

MASK_EVERY = 7
"""One token in so many is masked at once: the share that encoders are trained with, 15 %."""
WRAPPING = 2
"""Tokens put around a window."""


class MaskedReader:
    """An encoder that reads windows of text, each token masked once, with one table after the other."""

    def __init__(self, base_model: Path, windows: np.ndarray, tokenizer: Any, dtype: torch.dtype, device: str) -> None:
        """Raise UserError where the tokenizer has no mask, or a window is longer than the encoder's sequences."""
        check_device("calibration", device)
        begin, end = tokenizer.cls_token_id, tokenizer.sep_token_id
        self.mask = tokenizer.mask_token_id
        if None in (begin, end, self.mask):
            raise UserError(
                f"{base_model} is an encoder, whose calibration masks tokens, but the new tokenizer has no CLS, SEP or "
                "mask token; name them in its tokenizer_config.json, or choose calibration=none"
            )
        model = load_masked_model(base_model, reading_dtype(dtype, device))
        padding = padding_position(model)
        longest = model.config.max_position_embeddings - (0 if padding is None else padding + 1) - WRAPPING
        if windows.shape[1] > longest:
            raise UserError(
                f"calibration.window={windows.shape[1]} is more than the {longest} tokens that {base_model} reads at "
                "once; give at most that"
            )
        self.model: Any = frozen(model, device)
        edges = [np.full((len(windows), 1), token) for token in (begin, end)]
        self.windows = torch.from_numpy(np.hstack([edges[0], windows, edges[1]]))
        self.labels = torch.cat([torch.cat([window[1:-1][part] for part in self._parts()]) for window in self.windows])

    def _parts(self) -> list[slice]:
        return [slice(first, None, MASK_EVERY) for first in range(MASK_EVERY)]

    def hidden_states(self, table: torch.Tensor) -> torch.Tensor:
        """Return what the model, reading with the input table, multiplies by its head's rows where tokens are masked.

        float32 on the model's device, shape (masked tokens, hidden), in the order of `labels`.
        """
        weight = table.to(self.model.device, self.model.dtype)
        self.model.get_input_embeddings().weight = torch.nn.Parameter(weight, requires_grad=False)
        found: list[torch.Tensor] = []
        hook = self.model.get_output_embeddings().register_forward_pre_hook(lambda _, given: found.append(given[0]))
        states = []
        try:
            with torch.inference_mode():
                for window in tqdm(self.windows, desc="calibration", unit="window", mininterval=1):
                    for part in self._parts():
                        masked = window.clone()
                        masked[1:-1][part] = self.mask
                        self.model(input_ids=masked[None].to(self.model.device))
                        states.append(found.pop()[0, 1:-1][part].to(torch.float32))
        finally:
            hook.remove()
        return torch.cat(states)

    def loss(self, hidden: torch.Tensor, head: torch.Tensor) -> float:
        """Return the mean cross-entropy of the masked tokens, nats; `head` is where the states are."""
        weight, total = head.to(torch.float32), 0.0
        wanted = self.labels.to(head.device)
        for states, labels in zip(torch.split(hidden, CHUNK), torch.split(wanted, CHUNK), strict=True):
            total += float(torch.nn.functional.cross_entropy(states @ weight.T, labels, reduction="sum"))
        return total / len(self.labels)
