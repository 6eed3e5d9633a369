"""Models from the Hugging Face hub."""

import json
import shutil
import sys
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError: of whichever library it uses
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo
from tqdm import tqdm

from pipeline.errors import UserError
from stages.fetch_base_model.describe import check_config
from stages.fetch_base_model.folder import place, require_model
from stages.fetch_base_model.model_files import wanted
from stages.fetch_base_model.settings import BaseModelSettings, HubModelSource
from stages.shared.sources.cache import sha256_of

SPARE_BYTES = 2**30


def fetch_hub(
    model: BaseModelSettings, source: HubModelSource, downloads: Path, out: Path, endpoint: str | None = None
) -> dict[str, str]:
    """Fetch the model's files one by one and return the commit they are of.

    Files stay under `downloads` and a broken download goes on where it stopped. config.json comes first, so that wrong
    facts show before gigabytes are fetched.
    """
    info = repository_info(source, endpoint)
    names = wanted(sibling.rfilename for sibling in info.siblings or [])
    page = f"https://huggingface.co/{source.repository}"
    require_model(names, page)
    assert info.sha is not None
    kept = downloads / "hub" / source.repository.replace("/", "--") / info.sha
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}
    hashes = {sibling.rfilename: sibling.lfs.sha256 for sibling in info.siblings or [] if sibling.lfs}
    if source.revision != info.sha:
        print(
            f"note: revision '{source.revision}' of {source.repository} is {info.sha} today; pin it with "
            f"base_model.source.revision={info.sha}",
            file=sys.stderr,
        )
    check_disk(sum(sizes[name] for name in names if not (kept / name).is_file()), out)
    for name in tqdm(names, desc=f"fetching {source.repository}", unit="file"):
        fetch_file(source, name, info.sha, kept, endpoint)
        if name in hashes and sha256_of(kept / name) != hashes[name]:
            (kept / name).unlink()
            raise UserError(f"{name} of {source.repository} arrived damaged and was deleted; run again")
        if name == "config.json":
            check_config(model, kept)
    place([kept / name for name in names], out)
    return {"repository": source.repository, "commit": info.sha, "requested_revision": source.revision}


def repository_info(source: HubModelSource, endpoint: str | None) -> ModelInfo:
    """Return the repository's files and commit; raise UserError with what to do where the hub will not say."""
    try:
        return HfApi(endpoint=endpoint).model_info(source.repository, revision=source.revision, files_metadata=True)
    except HfHubHTTPError as error:
        raise UserError(problem(source, error)) from error
    except (HTTPError, OSError) as error:  # without connection: the HTTP library's own, or offline mode's
        raise UserError(out_of_reach(source, error)) from error


def fetch_file(source: HubModelSource, name: str, commit: str, kept: Path, endpoint: str | None) -> None:
    """Download one file into `kept`, going on with what is there."""
    try:
        hf_hub_download(source.repository, name, revision=commit, local_dir=kept, endpoint=endpoint)
    except HfHubHTTPError as error:
        raise UserError(problem(source, error)) from error
    except (HTTPError, LocalEntryNotFoundError) as error:
        raise UserError(out_of_reach(source, error)) from error


def problem(source: HubModelSource, error: HfHubHTTPError) -> str:
    """Say what the hub's refusal means and what to do."""
    page = f"https://huggingface.co/{source.repository}"
    status = error.response.status_code if error.response is not None else None
    if isinstance(error, RevisionNotFoundError):
        return f"{page} has no revision '{source.revision}'; correct base_model.source.revision"
    if isinstance(error, GatedRepoError) or status in {401, 403}:
        return (
            f"{source.repository} is not open to you (HTTP {status}). Accept its licence on {page} with your account, "
            "then give your access token: set HF_TOKEN, or run `hf auth login`. If you did: is the name right?"
        )
    if isinstance(error, RepositoryNotFoundError):
        return f"there is no model {page}; correct base_model.source.repository"
    return f"the hub refused {source.repository} (HTTP {status}): {json.dumps(str(error))[:300]}. Try again later."


def out_of_reach(source: HubModelSource, error: Exception) -> str:
    """Say that the hub cannot be reached."""
    return (
        f"the Hugging Face hub cannot be reached for {source.repository} ({type(error).__name__}). Fetch on a machine "
        "with a connection (`make fetch`), or choose a base model from a package: base_model=smollm2_135m"
    )


def check_disk(needed: int, out: Path) -> None:
    """Raise UserError where the files will not fit."""
    free = shutil.disk_usage(out).free
    if needed + SPARE_BYTES > free:
        raise UserError(
            f"the model needs {needed / 1e9:.1f} GB more and {out} has {free / 1e9:.1f} GB free. Make room (`make gc`) "
            "or set machine.artifacts and machine.downloads to a larger disk."
        )
