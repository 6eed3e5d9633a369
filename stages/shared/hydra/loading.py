"""A model that translates and its processor, from a Hydra folder or a plain one."""

import json
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import UserError
from stages.shared.hydra.processing import PROCESSOR_FILE, HydraProcessor
from stages.shared.hydra.registration import register
from stages.shared.loading import LOADING_FAULTS, load_causal_model, load_tokenizer

PLAIN = "all"
"""Name of the one vocabulary of a plain model."""


def load_translator(
    folder: Path, precision: str = "float32", device: str = "cpu", threads: int | None = None
) -> tuple[Any, HydraProcessor]:
    """Load a model for inference and its processor; touches no network.

    In a plain folder every segment of a prompt is encoded with the one tokenizer. Raises UserError where the folder
    holds no causal model or no tokenizer, or where there is no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device 'cuda' is asked for, but torch sees no GPU; choose cpu")
    if threads is not None:
        torch.set_num_threads(threads)
    register()
    model = load_causal_model(folder, getattr(torch, precision)).to(device).eval()
    return model, load_processor(folder)


def load_processor(folder: Path) -> HydraProcessor:
    """Load the processor of a Hydra folder, or one around the tokenizer of a plain folder."""
    if (folder / PROCESSOR_FILE).is_file():
        try:
            return HydraProcessor.from_pretrained(folder)
        except LOADING_FAULTS as error:
            raise UserError(f"cannot load the tokenizers in {folder}: {str(error).splitlines()[0]}") from error
    tokenizer = load_tokenizer(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    vocabulary = {"name": PLAIN, "size": config["vocab_size"], "tokenizer": "."}
    return HydraProcessor([vocabulary], {PLAIN: tokenizer}, any_language=True)
