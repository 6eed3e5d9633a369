"""Two model folders to one, block by block: neither model is ever loaded."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from pipeline.errors import UserError
from stages.merge_models.settings import Tensors
from stages.merge_models.weighted_mean import weighted_mean
from stages.shared.linking import link_or_copy
from stages.shared.model_folder import CONFIG_FILES, INDEX, ModelFolder, open_model, read_header
from stages.shared.token_text import load_vocabulary
from stages.shared.tokenizer_folder import copy_tokenizer

BLOCK_NUMBERS = 4 * 1024 * 1024
"""Numbers of a tensor that are averaged at a time; bounds the memory."""
OF_SAVING = ("transformers_version", "_name_or_path", "use_cache")
"""Keys of config.json that say how a model was saved."""


def merge_folders(one: Path, other: Path, weight: float, tensors: Tensors, out: Path) -> int:
    """Write the weighted mean of two models as a folder like the first; return how many tensors were averaged.

    Raises UserError where the two differ in config, tokenizer, or the names, types and shapes of their tensors.
    """
    first, second = open_model(one), open_model(other)
    check_alike(first, second)
    averaged = set(first.shards) if tensors == "all" else tables_of(first)
    if weight == 0:
        averaged = set()
    shares = dict.fromkeys(averaged, weight)
    for name in first.weight_files():
        if averaged.isdisjoint(tensor for tensor, file in first.shards.items() if file == name):
            link_or_copy(one / name, out / name)
        else:
            write_file(first, second, name, shares, out)
    for name in (*CONFIG_FILES, INDEX):
        if (one / name).is_file():
            shutil.copyfile(one / name, out / name)
    copy_tokenizer(one, out)
    return len(averaged)


def tables_of(model: ModelFolder) -> set[str]:
    """Return the names of the tensors that have a row (or a number) for each token."""
    head = {model.head_name} if model.head_name else set()
    return {model.input_name, *head, *model.tied_names, *model.bias_names}


def check_alike(one: ModelFolder, other: ModelFolder) -> None:
    """Raise UserError where two models cannot be averaged, naming all that differs."""
    problems = [
        *differing("config.json", described(one.path), described(other.path)),
        *differing("tensors (dtype, shape)", layout(one), layout(other)),
    ]
    tokens = [vocabulary_fingerprint(model.path) for model in (one, other)]
    if tokens[0] != tokens[1]:
        problems.append(f"vocabulary: sha256 {tokens[0][:12]} and {tokens[1][:12]}")
    if problems:
        raise UserError(
            f"{one.path} and {other.path} cannot be merged, they differ in {'; '.join(problems)}. Give two models that "
            "were trained from one base model and one tokenizer"
        )


def differing(what: str, one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    """Yield what differs between two descriptions, the first three keys of it."""
    keys = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    if keys:
        shown = ", ".join(f"{key} ({one.get(key)} and {other.get(key)})" for key in keys[:3])
        yield f"{what}: {shown}" + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


def described(folder: Path) -> dict[str, Any]:
    """Return config.json without what says how the model was saved."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {key: value for key, value in config.items() if key not in OF_SAVING}


def layout(model: ModelFolder) -> dict[str, Any]:
    """Return dtype and shape of each tensor."""
    headers = [read_header(model.path / name)[0] for name in model.weight_files()]
    return {name: (entry["dtype"], entry["shape"]) for header in headers for name, entry in header.items()}


def vocabulary_fingerprint(folder: Path) -> str:
    """Return the sha256 (64 hex digits) of a vocabulary's tokens in the order of their ids, and of their roles."""
    vocabulary = load_vocabulary(folder)
    content = {"tokens": list(vocabulary.tokens), "roles": dict(sorted(vocabulary.roles.items()))}
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def write_file(one: ModelFolder, other: ModelFolder, name: str, shares: Mapping[str, float], out: Path) -> None:
    """Write one weight file: the header of the first model's, since types and shapes stay, and the tensors in order.

    `shares` says by tensor how much of the mean is the other model's, of those that are averaged.
    """
    header, _, begin = read_header(one.path / name)
    with (one.path / name).open("rb") as old, (out / name).open("wb") as new:
        new.write(old.read(begin))
        for tensor in sorted(header, key=lambda key: header[key]["data_offsets"]):
            for mine, theirs in zip(blocks(one, tensor), blocks(other, tensor), strict=True):
                mean = averaged_block(mine, theirs, shares.get(tensor, 0.0), f"{one.path}: tensor '{tensor}'")
                new.write(mean.contiguous().view(torch.uint8).numpy().data)


def averaged_block(mine: torch.Tensor, theirs: torch.Tensor, share: float, where: str) -> torch.Tensor:
    """Return the mean of two blocks of a tensor. Raises UserError for whole numbers that differ."""
    if share and not mine.is_floating_point() and not torch.equal(mine, theirs):
        raise UserError(f"{where} holds whole numbers, which differ between the models and have no mean")
    return weighted_mean(mine, theirs, share if mine.is_floating_point() else 0.0)


def blocks(model: ModelFolder, tensor: str) -> Iterator[torch.Tensor]:
    """Yield the rows of a tensor, some at a time; a single number as a whole."""
    with safe_open(str(model.path / model.shards[tensor]), framework="pt") as file:
        part = file.get_slice(tensor)
        shape = part.get_shape()
        if not shape:
            yield file.get_tensor(tensor).reshape(1)
            return
        row = 1
        for size in shape[1:]:
            row *= size
        step = max(1, BLOCK_NUMBERS // max(1, row))
        for first in range(0, shape[0], step):
            yield part[first : first + step]
