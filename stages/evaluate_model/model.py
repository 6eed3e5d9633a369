"""A Hugging Face causal model and its tokenizer, loaded to be measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.errors import UserError
from stages.shared.document_encoder import DocumentEncoder

LOADING_FAULTS = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)


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
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is not a Hugging Face model folder: it has no config.json")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device 'cuda' is asked for, but torch sees no GPU; choose cpu")
    torch.set_num_threads(threads)
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, precision), local_files_only=True
        )
    except LOADING_FAULTS as error:
        raise UserError(f"cannot load the model in {folder}: {_first_line(error)}") from None
    encoder = load_start_encoder(folder)
    rows = model.get_input_embeddings().weight.shape[0]
    if encoder.vocabulary_size > rows:
        raise UserError(
            f"the tokenizer in {folder} has {encoder.vocabulary_size} tokens, the model only {rows} embedding rows: "
            "they do not belong together"
        )
    start = encoder.tokenizer.convert_ids_to_tokens(encoder.bos_token_id)
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return LoadedModel(model.to(device).eval(), encoder.tokenizer, encoder, start, positions)


def load_start_encoder(folder: Path) -> DocumentEncoder:
    """Load the tokenizer of a folder with the token that begins each document: its BOS, else its EOS.

    Models without a BOS (GPT-NeoX, Qwen) saw their end-of-text token between documents when they were trained.
    Raises UserError where there is neither, or no tokenizer.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except LOADING_FAULTS as error:
        raise UserError(f"cannot load the tokenizer in {folder}: {_first_line(error)}") from None
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if start is None:
        raise UserError(
            f"the tokenizer in {folder} has neither a BOS nor an EOS token to begin a document with; "
            "name one in its tokenizer_config.json"
        )
    return DocumentEncoder(tokenizer, start, len(tokenizer))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
