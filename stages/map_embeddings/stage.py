"""map_embeddings: the base model with rows for the new tokenizer's tokens."""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from pipeline.errors import UserError
from pipeline.stage import Execution, Metrics
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.fit_tables import fit_tables
from stages.map_embeddings.from_table import write_weights
from stages.map_embeddings.initialization import MappingTask
from stages.map_embeddings.resolve import explicit_unknown, figures
from stages.map_embeddings.settings import MapEmbeddingsSettings
from stages.map_embeddings.tables import TableMaker
from stages.shared.artifact import write_json
from stages.shared.mapping_files import FIGURES_FILE, HOW_FILE, WEIGHTS_FILE
from stages.shared.model_folder import ModelFolder, open_model, write_configs, write_model
from stages.shared.token_text import ROLES, Vocabulary, load_vocabulary
from stages.shared.tokenizer_class import keep_tokenizer_class
from stages.shared.tokenizer_folder import copy_tokenizer


def map_embeddings(
    settings: MapEmbeddingsSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write the initialized model, and what each row was made from: token_mapping.npz, how.npy and mapping.json."""
    mapping = settings.mapping
    began = perf_counter()
    source, target = load_vocabulary(inputs["base_model"]), load_vocabulary(inputs["tokenizer"])
    model = open_model(inputs["base_model"])
    check_padding(model, target)
    task = MappingTask(source, target, **evidence(inputs))
    loaded = perf_counter()
    found = INIT_METHODS[mapping.method](task, **mapping.options)
    mapped = perf_counter()
    fitted = fit_tables(found, TableMaker(model, source, mapping.seed), settings, inputs, execution)
    initialization, fitted_until = fitted.initialization, perf_counter()
    write_model(model, fitted.tables, out)
    write_configs(model, token_ids(target), len(target), out)
    copy_tokenizer(inputs["tokenizer"], out)
    keep_tokenizer_class(out)
    write_weights(out / WEIGHTS_FILE, explicit_unknown(initialization, source))
    np.save(out / HOW_FILE, initialization.how)
    described = {"method": mapping.method, **fitted.figures, **figures(initialization)}
    write_json(out / FIGURES_FILE, described)
    seconds = {"load": loaded - began, **initialization.seconds, "map": mapped - loaded, **fitted.seconds}
    seconds["write"] = perf_counter() - fitted_until
    return {**described, **{f"{part}_seconds": round(value, 3) for part, value in seconds.items()}}


def evidence(inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Return what the inputs hold for a method, by field of MappingTask."""
    files = {"alignment": "table.tsv", "dictionary": "dictionary.tsv"}
    found = {name: inputs[name] / file if name in inputs else None for name, file in files.items()}
    vectors = {name: inputs.get(name) for name in ("token_vectors", "source_vectors", "target_vectors")}
    pivots = tuple(inputs[name] / files["alignment"] for name in sorted(inputs) if name.startswith("alignment_"))
    return {"table": found["alignment"], "pivot_tables": pivots, "dictionary": found["dictionary"], **vectors}


def check_padding(model: ModelFolder, target: Vocabulary) -> None:
    """Raise UserError where the model would count its positions from another id than it was trained with."""
    token = target.roles.get("pad")
    if model.counts_from is not None and (token is None or target.ids[token] != model.counts_from):
        has = "has none" if token is None else f"has {token} at {target.ids[token]}"
        raise UserError(
            f"{model.path} counts positions from the id of its padding token, {model.counts_from}, but the new "
            f"tokenizer {has}: every position would be another than the model knows. Give it its padding token at "
            f"{model.counts_from}, as train_tokenizer does"
        )


def token_ids(target: Vocabulary) -> dict[str, Any]:
    """Return the ids of the roles for the configs, null for a token that the tokenizer lacks."""
    ids = {role: target.ids[target.roles[role]] if role in target.roles else None for role in ROLES}
    return {f"{role}_token_id": ids[role] for role in ROLES}
