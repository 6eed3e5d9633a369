"""map_embeddings: the base model with rows for the new tokenizer's tokens."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from pipeline.stage import Execution, Metrics
from stages.map_embeddings.apply import apply_initialization
from stages.map_embeddings.calibration import calibrated, common_direction, fitted_bias, log_frequencies
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.from_table import write_weights
from stages.map_embeddings.initialization import Initialization, MappingTask
from stages.map_embeddings.resolve import explicit_unknown, figures
from stages.map_embeddings.running_text import hidden_states, read_running_text
from stages.map_embeddings.settings import MapEmbeddingsSettings, UnigramCalibration
from stages.shared.document_encoder import load_encoder
from stages.shared.model_folder import ModelFolder, open_model, write_configs, write_model
from stages.shared.token_mapping import FIGURES_FILE, HOW_FILE, WEIGHTS_FILE
from stages.shared.token_text import Vocabulary, load_vocabulary

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
)
TOKEN_IDS = ("bos", "eos", "pad")


def map_embeddings(
    settings: MapEmbeddingsSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write the initialized model, and what each row was made from: token_mapping.npz, how.npy and mapping.json."""
    mapping = settings.mapping
    seconds, began = dict[str, float](), perf_counter()
    source, target = load_vocabulary(inputs["base_model"]), load_vocabulary(inputs["tokenizer"])
    task = MappingTask(source, target, **evidence(inputs))
    loaded = perf_counter()
    initialization = INIT_METHODS[mapping.method](task, **mapping.options)
    mapped = perf_counter()
    model = open_model(inputs["base_model"])
    tables = make_tables(model, initialization, source, mapping.seed)
    if isinstance(settings.calibration, UnigramCalibration):
        began_calibration = perf_counter()
        tables = calibrate(tables, model, settings.calibration, inputs, execution.device)
        seconds["calibration"] = perf_counter() - began_calibration
    write_model(model, tables, out)
    write_configs(model, token_ids(target), len(target), out)
    for name in TOKENIZER_FILES:
        if (inputs["tokenizer"] / name).is_file():
            shutil.copyfile(inputs["tokenizer"] / name, out / name)
    write_weights(out / WEIGHTS_FILE, explicit_unknown(initialization, source))
    np.save(out / HOW_FILE, initialization.how)
    described = {"method": mapping.method, "calibration": settings.calibration.method, **figures(initialization)}
    (out / FIGURES_FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    seconds |= {"load": loaded - began, **initialization.seconds, "map": mapped - loaded}
    seconds["write"] = perf_counter() - mapped - seconds.get("calibration", 0.0)
    return {**described, **{f"{part}_seconds": round(value, 3) for part, value in seconds.items()}}


def evidence(inputs: Mapping[str, Path]) -> dict[str, Path | None]:
    """Return what the inputs hold for a method, by field of MappingTask."""
    files = {"alignment": "table.tsv", "dictionary": "dictionary.tsv"}
    found = {name: inputs[name] / file if name in inputs else None for name, file in files.items()}
    vectors = {name: inputs.get(name) for name in ("token_vectors", "source_vectors", "target_vectors")}
    return {"table": found["alignment"], "dictionary": found["dictionary"], **vectors}


def make_tables(
    model: ModelFolder, initialization: Initialization, source: Vocabulary, seed: int
) -> dict[str, torch.Tensor]:
    """Return the new tables by the name of their tensor: the input table and, where it is not tied, the head."""
    unknown = source.ids[source.roles["unk"]] if "unk" in source.roles else None
    return {
        name: apply_initialization(initialization, model.read(name), unknown, seed, head)
        for name, head in ((model.input_name, False), (model.head_name, True))
        if name is not None
    }


def calibrate(
    tables: Mapping[str, torch.Tensor],
    model: ModelFolder,
    settings: UnigramCalibration,
    inputs: Mapping[str, Path],
    device: str,
) -> dict[str, torch.Tensor]:
    """Return the tables with the one that predicts shifted; where the head is tied that is the input table."""
    encoder = load_encoder(inputs["tokenizer"])
    torch.set_num_threads(settings.threads)
    text = read_running_text(inputs["corpus"], encoder, settings.max_bytes, settings.tokens, settings.window)
    hidden = hidden_states(model.path, tables[model.input_name], text.windows, device)
    head = model.head_name or model.input_name
    frequencies = log_frequencies(torch.from_numpy(text.counts), settings.pseudo_count)
    bias = fitted_bias(hidden, tables[head].to(torch.float32), frequencies, settings.iterations)
    return {**tables, head: calibrated(tables[head], bias, common_direction(hidden, settings.ridge))}


def token_ids(target: Vocabulary) -> dict[str, Any]:
    """Return the ids of begin, end and padding for the configs, null for a token that the tokenizer lacks."""
    ids = {role: target.ids[target.roles[role]] if role in target.roles else None for role in TOKEN_IDS}
    return {f"{role}_token_id": ids[role] for role in TOKEN_IDS}
