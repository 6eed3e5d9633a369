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
from stages.map_embeddings.calibrate_tables import calibrate
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.from_table import write_weights
from stages.map_embeddings.initialization import Initialization, MappingTask
from stages.map_embeddings.resolve import explicit_unknown, figures
from stages.map_embeddings.settings import MapEmbeddingsSettings, UnigramCalibration
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
    model = open_model(inputs["base_model"])
    tables = make_tables(model, initialization, source, mapping.seed)
    mapped = perf_counter()
    calibration: dict[str, Any] = {"calibration": settings.calibration.method}
    if isinstance(settings.calibration, UnigramCalibration):
        tables, found = calibrate(tables, model, settings.calibration, inputs, execution.device)
        calibration |= {f"calibration_{name}": round(value, 6) for name, value in found.items()}
    seconds["calibration"] = perf_counter() - mapped
    write_model(model, tables, out)
    write_configs(model, token_ids(target), len(target), out)
    for name in TOKENIZER_FILES:
        if (inputs["tokenizer"] / name).is_file():
            shutil.copyfile(inputs["tokenizer"] / name, out / name)
    write_weights(out / WEIGHTS_FILE, explicit_unknown(initialization, source))
    np.save(out / HOW_FILE, initialization.how)
    described = {"method": mapping.method, **calibration, **figures(initialization)}
    (out / FIGURES_FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    seconds |= {"load": loaded - began, **initialization.seconds, "map": mapped - loaded}
    seconds["write"] = perf_counter() - mapped - seconds["calibration"]
    return {**described, **{f"{part}_seconds": round(value, 3) for part, value in seconds.items()}}


def evidence(inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Return what the inputs hold for a method, by field of MappingTask."""
    files = {"alignment": "table.tsv", "dictionary": "dictionary.tsv"}
    found = {name: inputs[name] / file if name in inputs else None for name, file in files.items()}
    vectors = {name: inputs.get(name) for name in ("token_vectors", "source_vectors", "target_vectors")}
    pivots = tuple(inputs[name] / files["alignment"] for name in sorted(inputs) if name.startswith("alignment_"))
    return {"table": found["alignment"], "pivot_tables": pivots, "dictionary": found["dictionary"], **vectors}


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


def token_ids(target: Vocabulary) -> dict[str, Any]:
    """Return the ids of begin, end and padding for the configs, null for a token that the tokenizer lacks."""
    ids = {role: target.ids[target.roles[role]] if role in target.roles else None for role in TOKEN_IDS}
    return {f"{role}_token_id": ids[role] for role in TOKEN_IDS}
