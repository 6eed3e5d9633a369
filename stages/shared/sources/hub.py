"""Files of a dataset or model on the Hugging Face hub, at a pinned commit; no script of it runs."""

import json
import os
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError: of whichever library it uses
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from tqdm import tqdm

from pipeline.cards import HubSource, matches
from pipeline.errors import UserError
from stages.shared.sources.cache import disk_errors, sha256_of


def fetch_hub(source: HubSource, downloads: Path, endpoint: str | None = None) -> Path:
    """Return a folder with the files that the globs name; what is there with its full size is not asked for again."""
    folder = downloads / "hub" / source.repository / source.id.replace("/", "--") / source.revision
    with disk_errors(downloads):
        listed = _listing(source, folder, endpoint)
        wanted = sorted(name for name in listed if matches(name, source.files))
        if not wanted:
            raise UserError(f"{source.id} has no file like {', '.join(source.files)} at commit {source.revision}")
        missing = [name for name in wanted if not _whole(folder / name, listed[name])]
        for name in tqdm(missing, desc=f"fetching {source.id}", unit="file", disable=not missing):
            _fetch(source, name, folder, listed[name], endpoint)
    return folder


def _listing(source: HubSource, folder: Path, endpoint: str | None) -> dict[str, dict[str, Any]]:
    """Return size and, for large files, sha256 of every file of the commit; kept, so that it is asked for once."""
    kept = folder / "files.json"
    if kept.is_file():
        kept_list: dict[str, dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8"))
        return kept_list
    try:
        info = HfApi(endpoint=endpoint).repo_info(
            source.id, revision=source.revision, repo_type=source.repository, files_metadata=True
        )
    except HfHubHTTPError as error:
        raise UserError(_refused(source, error)) from error
    except (HTTPError, OSError) as error:  # without connection: the HTTP library's own, or offline mode's
        raise UserError(_unreachable(source, error)) from error
    listed = {
        file.rfilename: {"size": file.size, "sha256": file.lfs.sha256 if file.lfs else None}
        for file in getattr(info, "siblings", None) or []
    }
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"files.json.{os.getpid()}"
    unfinished.write_text(json.dumps(listed, sort_keys=True, indent=1), encoding="utf-8")
    unfinished.replace(kept)
    return listed


def _fetch(source: HubSource, name: str, folder: Path, expected: dict[str, Any], endpoint: str | None) -> None:
    try:
        path = Path(
            hf_hub_download(
                source.id,
                name,
                revision=source.revision,
                repo_type=source.repository,
                local_dir=folder,
                endpoint=endpoint,
            )
        )
    except HfHubHTTPError as error:
        raise UserError(_refused(source, error)) from error
    except (HTTPError, LocalEntryNotFoundError) as error:
        raise UserError(_unreachable(source, error)) from error
    if not _whole(path, expected) or (expected["sha256"] and sha256_of(path) != expected["sha256"]):
        path.unlink()
        raise UserError(f"{name} of {source.id} arrived damaged and was deleted; run again")


def _whole(path: Path, expected: dict[str, Any]) -> bool:
    return path.is_file() and path.stat().st_size == expected["size"]


def _refused(source: HubSource, error: HfHubHTTPError) -> str:
    kind = "datasets/" if source.repository == "dataset" else ""
    page = f"https://huggingface.co/{kind}{source.id}"
    status = error.response.status_code if error.response is not None else None
    if isinstance(error, GatedRepoError) or status in {401, 403}:
        return (
            f"{source.id} is not open to you (HTTP {status}). Accept its terms on {page} with your account, then give "
            "your access token: set HF_TOKEN, or run `hf auth login`. If you did: is the name right?"
        )
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return f"{page} has no commit {source.revision}; correct the data card's source"
    return f"the hub refused {source.id} (HTTP {status}); try again later"


def _unreachable(source: HubSource, error: Exception) -> str:
    return (
        f"the Hugging Face hub cannot be reached for {source.id} ({type(error).__name__}). Fetch on a machine with a "
        "connection (`make fetch`), or take packaged data: corpus=packaged bitext=packaged"
    )
