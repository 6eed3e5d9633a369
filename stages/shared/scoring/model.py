"""A Hugging Face causal model and its tokenizer, loaded to be measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import UserError
from stages.shared.document_encoder import DocumentEncoder, load_encoder
from stages.shared.loading import load_causal_model


@dataclass(frozen=True)
class LoadedModel:
    """What scoring and generating need."""

    model: Any
    tokenizer: Any
    encoder: DocumentEncoder
    """Puts the start token, exactly one, before each document and never an EOS behind it."""
    start_token: str
    positions: int | None
    """Longest sequence that the model was made for, None where its config does not say."""


def load_model(folder: Path, precision: str, device: str, threads: int) -> LoadedModel:
    """Load a model folder for inference, without network.

    Raises UserError where the folder is not one of a causal model with a tokenizer that fits it.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device 'cuda' is asked for, but torch sees no GPU; choose cpu")
    torch.set_num_threads(threads)
    model = load_causal_model(folder, getattr(torch, precision))
    encoder = load_encoder(folder)
    rows = model.get_input_embeddings().weight.shape[0]
    if encoder.vocabulary_size > rows:
        raise UserError(
            f"the tokenizer in {folder} has {encoder.vocabulary_size} tokens, the model only {rows} embedding rows: "
            "they do not belong together"
        )
    start = encoder.tokenizer.convert_ids_to_tokens(encoder.start_token_id)
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return LoadedModel(model.to(device).eval(), encoder.tokenizer, encoder, start, positions)
