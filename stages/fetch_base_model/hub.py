"""Models from the Hugging Face hub."""

import shutil
import sys
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import UserError
from stages.fetch_base_model.describe import check_config
from stages.fetch_base_model.folder import require_model
from stages.fetch_base_model.model_files import wanted
from stages.fetch_base_model.settings import BaseModelSettings, HubModelSource
from stages.shared.linking import link_or_copy
from stages.shared.sources.cache import disk_errors
from stages.shared.sources.hub import open_repository

SPARE_BYTES = 2**30


def fetch_model(
    model: BaseModelSettings, source: HubModelSource, downloads: Path, out: Path, endpoint: str | None = None
) -> dict[str, str]:
    """Fetch the model's files one by one and return the commit they are of.

    Files stay under `downloads`. config.json comes first, so that wrong facts show before gigabytes are fetched.
    """
    with disk_errors(downloads):
        repository = open_repository(source.repository, "model", source.revision, downloads, endpoint)
        if source.revision != repository.commit:
            print(
                f"note: revision '{source.revision}' of {source.repository} is {repository.commit} today; pin it with "
                f"base_model.source.revision={repository.commit}",
                file=sys.stderr,
            )
        names = wanted(repository.files)
        require_model(names, f"https://huggingface.co/{source.repository}")
        check_disk(sum(repository.files[name]["size"] for name in names if not repository.has(name)), out)
        for name in tqdm(names, desc=f"fetching {source.repository}", unit="file"):
            path = repository.fetch(name)
            if name == "config.json":
                check_config(model, path.parent)
    for name in names:
        link_or_copy(repository.folder / name, out / name)
    return {
        "repository": source.repository,
        "commit": repository.commit,
        "requested_revision": source.revision,
    }


def check_disk(needed: int, out: Path) -> None:
    """Raise UserError where the files will not fit."""
    free = shutil.disk_usage(out).free
    if needed + SPARE_BYTES > free:
        raise UserError(
            f"the model needs {needed / 1e9:.1f} GB more and {out} has {free / 1e9:.1f} GB free. Make room (`make gc`) "
            "or set machine.artifacts and machine.downloads to a larger disk."
        )
