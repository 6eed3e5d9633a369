"""Language models and tokenizers from Hugging Face folders: whole, or a UserError that says what is wrong."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoTokenizer

from pipeline.errors import UserError

LOADING_FAULTS = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)
MASKED_ENDINGS = ("ForMaskedLM", "ForPreTraining")
"""Of the classes in config.json's `architectures`."""
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def predicts_masked(config: Any) -> bool:
    """Tell whether a model predicts tokens behind a mask, as encoders do, by the class that its config names."""
    return any(name.endswith(MASKED_ENDINGS) for name in config.architectures or ())


def load_causal_model(folder: Path, dtype: torch.dtype, **options: Any) -> Any:
    """Load a model with all its weights; touches no network.

    Raises UserError where the folder is not one of a causal model, or where a weight is missing: transformers would
    draw it at random with a mere warning, and every figure after that would be wrong.
    """
    _causal_config(folder)
    return _load(AutoModelForCausalLM, folder, dtype=dtype, **options)


def hollow_causal_model(folder: Path, dtype: torch.dtype, **options: Any) -> Any:
    """Return the model that `load_causal_model` would, with arbitrary weights and buffers; none of them is read.

    It takes next to no memory until they are written: a page that nobody has touched is none.
    """
    kind: Any = AutoModelForCausalLM
    with torch.device("meta"):
        model = kind.from_config(_causal_config(folder), dtype=dtype, **options)
    model.to_empty(device="cpu")  # which makes two weights of a tied one
    model.tie_weights()
    return model


def _causal_config(folder: Path) -> Any:
    config = _config(folder)
    if predicts_masked(config):
        # transformers would load it as a decoder that sees the words it is to predict.
        raise UserError(
            f"{folder} holds {config.architectures[0]}, an encoder, which predicts words behind a mask and not "
            "the next one. It is trained with training.objective=masked; evaluating encoders is not there yet"
        )
    return config


def load_masked_model(folder: Path, dtype: torch.dtype) -> Any:
    """Load an encoder with the head that predicts masked tokens and all its weights; touches no network.

    Raises UserError as `load_causal_model` does.
    """
    _config(folder)
    return _load(AutoModelForMaskedLM, folder, dtype=dtype)


def load_seq2seq_model(folder: Path, dtype: torch.dtype) -> Any:
    """Load an encoder and decoder with all weights; touches no network.

    Raises UserError as `load_causal_model` does.
    """
    _config(folder)
    return _load(AutoModelForSeq2SeqLM, folder, dtype=dtype)


def _config(folder: Path) -> Any:
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is not a Hugging Face model folder: it has no config.json")
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except LOADING_FAULTS as error:
        raise UserError(f"cannot load the model in {folder}: {_first_line(error)}") from None


def _load(kind: Any, folder: Path, **options: Any) -> Any:
    try:
        loaded = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True, **options)
    except LOADING_FAULTS as error:
        raise UserError(f"cannot load the model in {folder}: {_first_line(error)}") from None
    model, loading = loaded
    if missing := sorted(loading["missing_keys"]):
        named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise UserError(f"the weights in {folder} are not whole: {named} missing. Fetch or save the model again")
    return model


def load_tokenizer(folder: Path) -> Any:
    """Load a tokenizer; touches no network. Raises UserError where there is none, or a damaged one."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give one with tokenizer.json or tokenizer.model")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise UserError(f"{folder} holds no tokenizer: give a folder with tokenizer.json or tokenizer.model")
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise UserError(f"cannot load the tokenizer in {folder}: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
