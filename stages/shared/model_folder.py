"""Hugging Face model folders, read and written tensor by tensor: the whole model is never loaded."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedModel

from pipeline.errors import UserError
from stages.shared.linking import link_or_copy
from stages.shared.loading import predicts_masked

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG_FILES = ("config.json", "generation_config.json")
DTYPE_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
ALWAYS_WRITTEN = ("bos_token_id", "eos_token_id", "pad_token_id")
COPY_BYTES = 16 * 1024 * 1024
ALIGNMENT = 64
"""Bytes. Files are mapped into memory as they are, and with few rows MKL sums in an order that depends on where an
operand lies modulo so many."""


@dataclass(frozen=True)
class ModelFolder:
    """Where the embedding tables of a language model lie."""

    path: Path
    input_name: str
    """Tensor of the input table, shape (tokens, hidden)."""
    head_name: str | None
    """Tensor of the output head, the same shape; None where it is tied to the input table."""
    tied_names: tuple[str, ...]
    """Tensors of a tied head that are stored all the same."""
    bias_names: tuple[str, ...]
    """Tensors of the head's bias, shape (tokens,), that which predicts first; empty for a head without. An untied
    encoder stores a second one, which no logit is made with."""
    shards: Mapping[str, str]
    """File of each tensor."""
    masked: bool
    """Does it predict the token behind a mask (an encoder), not the next one?"""
    counts_from: int | None
    """Id of the padding token where positions are counted from it, as in RoBERTa; None where they begin with 0."""

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
        raise UserError(f"{path} has no config.json: give the folder of a Hugging Face language model.")
    shards = tensor_files(path)
    model, masked = empty_model(path)
    names = {id(tensor): name for name, tensor in model.named_parameters(remove_duplicate=False)}
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if head is None:
        raise UserError(f"{path} has no output head: {type(model).__name__} is no language model.")
    if getattr(head, "bias", None) is not None and not masked:
        raise UserError(f"{path}: the head of {type(model).__name__} has a bias by token, which is not supported.")
    input_name = f"{module_name(model, model.get_input_embeddings())}.weight"
    tied = bool(model.config.tie_word_embeddings) or head.weight is table
    head_name = None if tied else names[id(head.weight)]
    repeated = [name for name, tensor in model.named_parameters(remove_duplicate=False) if tensor is head.weight]
    tied_names = tuple(name for name in repeated if tied and name in shards and name != input_name)
    bias_names = bias_tensors(model, head)
    stored = tuple(name for name in bias_names if name in shards)
    # Of a tied bias one name is stored; of one that is not, the head's own must be.
    needed = (input_name, head_name, None if stored else next(iter(bias_names), None))
    for name in filter(None, needed):
        if name not in shards:
            raise UserError(f"{path}: its weights have no tensor '{name}'. Fetch the model again, as safetensors.")
    return ModelFolder(path, input_name, head_name, tied_names, stored, shards, masked, padding_position(model))


def empty_model(path: Path) -> tuple[PreTrainedModel, bool]:
    """Return the model without weights, and whether it predicts masked tokens."""
    config = AutoConfig.from_pretrained(path)
    masked = predicts_masked(config)
    kind: Any = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    with torch.device("meta"):
        return kind.from_config(config), masked


def module_name(model: torch.nn.Module, wanted: Any) -> str:
    """Return the name of a module, which that of its weight begins with, whatever the weight is tied to."""
    found: str = next(name for name, module in model.named_modules() if module is wanted)
    return found


def bias_tensors(model: PreTrainedModel, head: Any) -> tuple[str, ...]:
    """Return the names that the head's bias may have in the weights, that of the head itself first.

    transformers keeps a bias beside the head's module too (`lm_head.bias` beside `lm_head.decoder.bias`), tied to it
    where the tables are tied.
    """
    if getattr(head, "bias", None) is None:
        return ()
    name = module_name(model, head)
    beside = f"{name.rpartition('.')[0]}.bias"
    known = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return tuple(dict.fromkeys(bias for bias in (f"{name}.bias", beside) if bias in known))


def padding_position(model: PreTrainedModel) -> int | None:
    """Return the padding id that positions are counted from, None where they begin with 0."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            return module.padding_idx
    return None


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
    if model.input_name in tables:
        tables = {**tables, **dict.fromkeys(model.tied_names, tables[model.input_name])}
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


def replace_tensors(source: Path, tables: Mapping[str, torch.Tensor], target: Path) -> None:
    """Copy a safetensors file with some tensors replaced, the order of the data kept, in bounded memory.

    The data begin where they did modulo ALIGNMENT, so that what is computed with them is the same to the last bit.
    """
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
    text += b" " * ((begin - 8 - len(text)) % ALIGNMENT)
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
    """Write config.json with the new vocabulary size and token ids, and generation_config.json with the ids.

    Ids of other roles than begin, end and padding are written where the old config has them.
    """
    for name in CONFIG_FILES:
        if (model.path / name).is_file():
            config = json.loads((model.path / name).read_text(encoding="utf-8"))
            config |= {key: value for key, value in changes.items() if key in config or key in ALWAYS_WRITTEN}
            if name == "config.json":
                config["vocab_size"] = vocabulary_size
            (out / name).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
