"""What the untrained model makes of the new language's text, with one table after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from stages.map_embeddings.masked_text import MaskedReader
from stages.map_embeddings.running_text import Reader, read_running_text
from stages.map_embeddings.settings import UnigramCalibration
from stages.shared.document_encoder import load_encoder
from stages.shared.model_folder import ModelFolder

Tables = Mapping[str, torch.Tensor]
"""New tables by the name of their tensor."""


@dataclass(frozen=True)
class UntrainedReading:
    """A model, the text that it reads, and how often each token is in the text.

    States and head are on the model's device: the sums over all tokens of the vocabulary are some 10^13 operations for
    a model of 7 billion weights, minutes of a processor's time.
    """

    model: ModelFolder
    reader: Reader | MaskedReader
    counts: torch.Tensor
    """int64, shape (target tokens,)."""

    def states(self, tables: Tables) -> torch.Tensor:
        """Return the states that meet the head; where it has a bias, a 1 behind each, which meets that."""
        hidden = self.reader.hidden_states(tables[self.model.input_name])
        return torch.cat([hidden, hidden.new_ones(len(hidden), 1)], dim=1) if self.model.bias_names else hidden

    def head(self, tables: Tables) -> torch.Tensor:
        """Return the rows that predict, in float32, and where the head has a bias that of each row behind it."""
        device = self.reader.model.device
        rows = tables[self.model.head_name or self.model.input_name].to(device, torch.float32)
        if not self.model.bias_names:
            return rows
        return torch.cat([rows, tables[self.model.bias_names[0]].to(device, torch.float32)[:, None]], dim=1)

    def loss(self, tables: Tables, states: torch.Tensor | None = None) -> float:
        """Return the mean loss of a predicted token, nats; `states` spares reading again with the same input table."""
        return self.reader.loss(self.states(tables) if states is None else states, self.head(tables))


def open_reading(
    model: ModelFolder, settings: UnigramCalibration, inputs: Mapping[str, Path], device: str
) -> UntrainedReading:
    """Load the base model and the text. Raises UserError where the text is shorter than one window."""
    encoder = load_encoder(inputs["tokenizer"])
    torch.set_num_threads(settings.threads)
    text = read_running_text(inputs["corpus"], encoder, settings.max_bytes, settings.tokens, settings.window)
    dtype = model.read(model.input_name).dtype
    reader: Reader | MaskedReader
    if model.masked:
        reader = MaskedReader(model.path, text.windows, encoder.tokenizer, dtype, device)
    else:
        reader = Reader(model.path, text.windows, dtype, device)
    return UntrainedReading(model, reader, torch.from_numpy(text.counts))
