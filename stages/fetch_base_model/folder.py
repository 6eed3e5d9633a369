"""Model folders on this machine."""

import shutil
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from pipeline.errors import UserError
from pipeline.provenance import ROOT
from stages.fetch_base_model.model_files import wanted
from stages.fetch_base_model.settings import FolderModelSource


def require_model(names: Iterable[str], place: str) -> None:
    """Raise UserError where config, safetensors or tokenizer are missing."""
    names = list(names)
    needed = {
        "config.json": ["config.json"],
        "weights as safetensors": ["model*.safetensors"],
        "a tokenizer": ["tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt"],
    }
    missing = [
        what for what, patterns in needed.items() if not any(fnmatch(name, one) for name in names for one in patterns)
    ]
    if missing:
        raise UserError(
            f"{place} is no complete Hugging Face model: {', '.join(missing)} missing. It needs config.json, weights "
            "as safetensors and a tokenizer; save_pretrained writes them."
        )


def copy_folder(source: FolderModelSource, out: Path) -> None:
    """Copy a model folder: a hard link would change the artifact when its owner writes into the file."""
    folder = ROOT / source.path
    names = wanted(path.name for path in folder.iterdir())
    require_model(names, str(folder))
    for name in names:
        shutil.copyfile(folder / name, out / name)
