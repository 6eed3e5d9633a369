"""New tables for a model: input rows, head rows where the head is not tied, and the head's biases."""

from dataclasses import dataclass

import torch

from stages.map_embeddings.apply import apply_initialization
from stages.map_embeddings.initialization import Initialization
from stages.shared.model_folder import ModelFolder
from stages.shared.token_text import Vocabulary


@dataclass(frozen=True)
class TableMaker:
    """A base model, from whose own tables an initialisation makes new ones."""

    model: ModelFolder
    source: Vocabulary
    seed: int
    """Of rows that are drawn."""

    def make(self, initialization: Initialization) -> dict[str, torch.Tensor]:
        """Return the new tables by the name of their tensor: the input table, the untied head, the head's biases."""
        source, model = self.source, self.model
        unknown = source.ids[source.roles["unk"]] if "unk" in source.roles else None
        predicting, tables = model.head_name or model.input_name, dict[str, torch.Tensor]()
        for name, head in ((model.input_name, False), (model.head_name, True)):
            if name is not None:
                names = [name, *(model.bias_names if name == predicting else ())]
                old = [model.read(part) for part in names]
                tables |= zip(names, apply_initialization(initialization, old, unknown, self.seed, head), strict=True)
        return tables
