"""A Hydra model's folder from those of the models whose vocabularies it has, tensor by tensor."""

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from pipeline.errors import UserError
from stages.shared.artifact import read_json, write_json
from stages.shared.hydra import configuration, modeling, processing
from stages.shared.hydra.configuration import ROLES, HydraConfig
from stages.shared.hydra.modeling import head_key
from stages.shared.hydra.processing import PROCESSOR_FILE, processor_config
from stages.shared.model_folder import INDEX, WEIGHTS, ModelFolder, open_model, read_header, tensor_files, write_model
from stages.shared.tokenizer_folder import copy_tokenizer

DECODER_FILE, HEADS_FILE = "model-decoder.safetensors", "model-heads.safetensors"
AUTO_MAP = {
    "AutoConfig": "configuration.HydraConfig",
    "AutoModelForCausalLM": "modeling.HydraForCausalLM",
    "AutoProcessor": "processing.HydraProcessor",
}


@dataclass(frozen=True)
class VocabularySource:
    """A plain model whose table, head and tokenizer become one vocabulary."""

    name: str
    folder: Path
    languages: dict[str, str]
    """English names of what it reads, by code."""


def write_hydra(output: VocabularySource, others: list[VocabularySource], out: Path) -> HydraConfig:
    """Write the model and its processor: the output vocabulary's model with the tables and heads of the others.

    Its body's weight files are hard links where no table lies in them. Raises UserError for models that do not fit.
    """
    model = open_model(output.folder)
    parts = [(source, open_model(source.folder)) for source in (output, *others)]
    tables = [_table(part, part.input_name, model) for _, part in parts]
    write_model(dataclasses.replace(model, tied_names=()), {model.input_name: torch.cat(tables)}, out)
    heads = {
        f"heads.{head_key(source.name)}.weight": _table(part, part.head_name, model)
        for source, part in parts[1:]
        if part.head_name is not None
    }
    if heads:
        add_weights(heads, out)
    vocabularies = [_vocabulary(source, part, len(table)) for (source, part), table in zip(parts, tables, strict=True)]
    config = _config(model, vocabularies)
    write_config(config, model, out)
    for (source, _), vocabulary in zip(parts, vocabularies, strict=True):
        copy_tokenizer(source.folder, out / vocabulary["tokenizer"])
    write_json(out / PROCESSOR_FILE, processor_config(vocabularies))
    for module in (configuration, modeling, processing):
        code = Path(str(module.__file__))
        shutil.copyfile(code, out / code.name)
    return config


def _table(part: ModelFolder, name: str, model: ModelFolder) -> torch.Tensor:
    table, like = part.read(name), model.read(model.input_name)
    if table.shape[1] != like.shape[1] or table.dtype != like.dtype:
        raise UserError(
            f"{part.path}: its table has {table.shape[1]} columns of {table.dtype}, that of {model.path} "
            f"{like.shape[1]} of {like.dtype}; the vocabularies of one Hydra model need the same"
        )
    return table


def _vocabulary(source: VocabularySource, part: ModelFolder, size: int) -> dict[str, Any]:
    described = read_json(source.folder / "config.json")
    return {
        "name": source.name,
        "size": size,
        "tokenizer": f"tokenizers/{source.name}",
        "tied": part.head_name is None,
        "ids": {role: described.get(role) for role in ROLES},
        "languages": dict(sorted(source.languages.items())),
    }


def _config(model: ModelFolder, vocabularies: list[dict[str, Any]]) -> HydraConfig:
    base = read_json(model.path / "config.json") | {"tie_word_embeddings": vocabularies[0]["tied"]}
    try:
        config = HydraConfig(base=base, vocabularies=vocabularies, head=vocabularies[0]["name"])
    except ValueError as error:
        raise UserError(f"{model.path}: {error}") from None
    config.architectures, config.dtype = ["HydraForCausalLM"], model.read(model.input_name).dtype
    config.auto_map = AUTO_MAP
    return config


def write_config(config: HydraConfig, model: ModelFolder, out: Path) -> None:
    """Write config.json, and the body's generation_config.json where it has one."""
    text = config.to_json_string(use_diff=False)
    write_json(out / "config.json", json.loads(text))
    if (model.path / "generation_config.json").is_file():
        shutil.copyfile(model.path / "generation_config.json", out / "generation_config.json")


def add_weights(weights: dict[str, torch.Tensor], out: Path) -> None:
    """Add tensors to a model folder as a file of their own, named in the index."""
    if (out / WEIGHTS).is_file():  # transformers would read it alone
        (out / WEIGHTS).rename(out / DECODER_FILE)
        files = dict.fromkeys(read_header(out / DECODER_FILE)[0], DECODER_FILE)
    else:
        files = tensor_files(out)
    save_file(weights, out / HEADS_FILE, {"format": "pt"})
    files |= dict.fromkeys(weights, HEADS_FILE)
    size = sum((out / name).stat().st_size for name in set(files.values()))
    write_json(out / INDEX, {"metadata": {"total_size": size}, "weight_map": dict(sorted(files.items()))})
