"""Which pretrained model translates: a name on the Hugging Face hub, or a folder on this machine."""

import hashlib
import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from pipeline.section import LocalPath, Section
from pipeline.store import file_sha256

REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
SMALL = ("config.json", "generation_config.json", "*token*.json", "vocab*", "merges.txt", "chat_template*")
SENTENCEPIECE = ("*.spm", "*.model")
WEIGHTS = (
    ("model*.safetensors", "model.safetensors.index.json"),
    ("pytorch_model*.bin", "pytorch_model.bin.index.json"),
)
"""The first that a repository has; older translation models have pickled weights alone."""


class TranslatorFolder(Section):
    """A Hugging Face folder on this machine."""

    path: LocalPath
    sha256: str
    """Of the names and contents of its files, taken from them when the run is planned."""


def _named(value: Any) -> Any:
    """Return a repository's name as it stands, and a folder with its sha256."""
    if isinstance(value, TranslatorFolder):
        return value
    folder = value if isinstance(value, dict) else {"path": value}
    place = folder.get("path")
    if not isinstance(place, (str, Path)) or not str(place):
        raise ValueError("names no model; give one on the hub, such as Helsinki-NLP/opus-mt-nl-en, or a folder")
    path = Path(place).expanduser()
    if not path.is_dir():
        if isinstance(value, str) and REPOSITORY.fullmatch(value) and not value.startswith("."):
            return value
        raise ValueError("there is no such folder, and no model on the hub has such a name (OWNER/MODEL)")
    found = folder_sha256(path)
    if folder.get("sha256") not in (None, found):
        raise ValueError(f"{path} has changed since the run was planned (sha256 {found}); start it again")
    return {"path": str(path.resolve()), "sha256": found}


TranslatorName = Annotated[str | TranslatorFolder, BeforeValidator(_named)]


def translator_files(names: Iterable[str]) -> list[str]:
    """Return the files of a repository or folder that a translation model needs, small ones first.

    >>> translator_files(["pytorch_model.bin", "tf_model.h5", "source.spm", "vocab.json", "config.json", "README.md"])
    ['config.json', 'source.spm', 'vocab.json', 'pytorch_model.bin']
    """
    names = sorted(names)
    weights = next((found for kind in WEIGHTS if (found := _like(names, kind))), [])
    return [*_like(names, (*SMALL, *SENTENCEPIECE)), *weights]


def _like(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    patterns = tuple(patterns)
    return [name for name in names if "/" not in name and any(fnmatch(name, pattern) for pattern in patterns)]


def folder_sha256(folder: Path) -> str:
    """Return the sha256 of the names and contents of the files that a translation model needs."""
    found = hashlib.sha256()
    for name in translator_files(path.name for path in folder.iterdir()):
        found.update(f"{name} {file_sha256(folder / name)}\n".encode())
    return found.hexdigest()
