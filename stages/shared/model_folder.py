"""Hugging Face model folders, read and written tensor by tensor: the whole model is never loaded."""

import json
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from pipeline.errors import UserError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG_FILES = ("config.json", "generation_config.json")
DTYPE_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
COPY_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class ModelFolder:
    """Where the embedding tables of a causal language model lie."""

    path: Path
    input_name: str
    """Tensor of the input table, shape (tokens, hidden)."""
    head_name: str | None
    """Tensor of the output head, the same shape; None where it is tied to the input table."""
    shards: Mapping[str, str]
    """File of each tensor."""

    def read(self, name: str) -> torch.Tensor:
        """Return one tensor in its own dtype."""
        with safe_open(str(self.path / self.shards[name]), framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(name)
        return tensor

    def weight_files(self) -> list[str]:
        """Return the names of the weight files, sorted."""
        return sorted(set(self.shards.values()))


def open_model(path: Path) -> ModelFolder:
    """Find the tables of a model folder from its config. Raises UserError where it has none."""
    if not (path / "config.json").is_file():
        raise UserError(f"{path} has no config.json: give the folder of a Hugging Face causal language model.")
    shards = tensor_files(path)
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(path))  # type: ignore[no-untyped-call]
    names = {id(tensor): name for name, tensor in model.named_parameters(remove_duplicate=False)}
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if head is None:
        raise UserError(f"{path} has no output head: {type(model).__name__} is not a causal language model.")
    if getattr(head, "bias", None) is not None:
        raise UserError(f"{path}: the head of {type(model).__name__} has a bias by token, which is not supported.")
    input_name = next(name for name, tensor in model.named_parameters() if tensor is table)
    tied = bool(model.config.tie_word_embeddings) or head.weight is table
    head_name = None if tied else names[id(head.weight)]
    for name in filter(None, (input_name, head_name)):
        if name not in shards:
            raise UserError(f"{path}: its weights have no tensor '{name}'. Fetch the model again, as safetensors.")
    return ModelFolder(path, input_name, head_name, shards)


def tensor_files(path: Path) -> dict[str, str]:
    """Return the file of each tensor. Raises UserError where there are no safetensors."""
    if (path / INDEX).is_file():
        return dict(json.loads((path / INDEX).read_text(encoding="utf-8"))["weight_map"])
    if (path / WEIGHTS).is_file():
        return dict.fromkeys(read_header(path / WEIGHTS)[0], WEIGHTS)
    raise UserError(f"{path} has neither {WEIGHTS} nor {INDEX}: save the model with save_pretrained first.")


def read_header(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, str], int]:
    """Return the tensors of a safetensors file (dtype, shape, data_offsets), its metadata, and where the data begin."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    metadata = header.pop("__metadata__", {})
    return header, metadata, 8 + length


def write_model(model: ModelFolder, tables: Mapping[str, torch.Tensor], out: Path) -> None:
    """Write the weights with some tables replaced (tensor by name).

    Files without a replaced tensor are hard-linked, or copied where the file system cannot link; the others are copied
    tensor by tensor. A tied head that was saved all the same is replaced along with the input table.
    """
    for name in model.weight_files():
        inside = {tensor: tables[tensor] for tensor, file in model.shards.items() if file == name and tensor in tables}
        if inside:
            replace_tensors(model.path / name, inside, out / name)
        else:
            link_or_copy(model.path / name, out / name)
    if (model.path / INDEX).is_file():
        index = json.loads((model.path / INDEX).read_text(encoding="utf-8"))
        sizes = [read_header(out / name)[0].values() for name in model.weight_files()]
        total = sum(tensor["data_offsets"][1] - tensor["data_offsets"][0] for part in sizes for tensor in part)
        index["metadata"] = {**index.get("metadata", {}), "total_size": total}
        (out / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link, or a copy where that is not possible (another file system, no permission)."""
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)


def replace_tensors(source: Path, tables: Mapping[str, torch.Tensor], target: Path) -> None:
    """Copy a safetensors file with some tensors replaced, the order of the data kept, in bounded memory."""
    header, metadata, begin = read_header(source)
    ordered = sorted(header, key=lambda name: header[name]["data_offsets"])
    entries: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name in ordered:
        entry = dict(header[name])
        size = entry["data_offsets"][1] - entry["data_offsets"][0]
        if name in tables:
            table = tables[name]
            size = table.numel() * table.element_size()
            entry |= {"dtype": DTYPE_NAMES[table.dtype], "shape": list(table.shape)}
        entries[name] = entry | {"data_offsets": [end, end + size]}
        end += size
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with source.open("rb") as old, target.open("wb") as new:
        new.write(struct.pack("<Q", len(text)) + text)
        for name in ordered:
            if name in tables:
                new.write(tables[name].contiguous().view(torch.uint8).numpy().data)
            else:
                first, last = header[name]["data_offsets"]
                _copy_bytes(old, new, begin + first, last - first)


def _copy_bytes(source: BinaryIO, target: BinaryIO, start: int, size: int) -> None:
    source.seek(start)
    while size:
        block = source.read(min(size, COPY_BYTES))
        if not block:
            raise UserError(f"{source.name} is shorter than its header says. Fetch the model again.")
        target.write(block)
        size -= len(block)


def write_configs(model: ModelFolder, changes: Mapping[str, Any], vocabulary_size: int, out: Path) -> None:
    """Write config.json with the new vocabulary size and token ids, and generation_config.json with the ids."""
    for name in CONFIG_FILES:
        if (model.path / name).is_file():
            config = json.loads((model.path / name).read_text(encoding="utf-8"))
            config |= changes
            if name == "config.json":
                config["vocab_size"] = vocabulary_size
            (out / name).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
