"""Checkpoints that survive a kill at any moment: written aside, checked by sha256, published by one rename."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from pipeline.store import sync_folder
from stages.shared.sealing import damage, newest_sound, seal
from stages.shared.training.sharding import like

FILES = WEIGHTS, OPTIMIZER, JOURNAL, STATE = (
    "weights.safetensors",
    "optimizer.safetensors",
    "journal.json",
    "state.json",
)
UNFINISHED, DELETING = ".unfinished", ".deleting"


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on, beside the model that it began with."""

    weights: dict[str, torch.Tensor]
    """The weights trained so far, by name; the others are as in the input model."""
    optimizer: dict[str, torch.Tensor]
    """The optimizer's state: `weight name/exp_avg` and so on."""
    journal: dict[str, str]
    """What metrics.jsonl and its like hold up to this step, by name."""
    state: dict[str, Any]
    """Step and counters, JSON values."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint, kept: int) -> Path:
    """Write a checkpoint into `folder`, keep the newest `kept` with it, and return its place.

    Later ones go: they were torn when this training was resumed, and are to take no sound one's room.
    """
    folder.mkdir(exist_ok=True)
    final = folder / f"step-{checkpoint.state['step']:08d}"
    part = final.with_suffix(UNFINISHED)
    for stale in (part, final):
        if stale.exists():  # of a killed process, or found torn when this training was resumed
            shutil.rmtree(stale)
    part.mkdir()
    save_file(checkpoint.weights, part / WEIGHTS)
    save_file(_apart(checkpoint.optimizer), part / OPTIMIZER)
    (part / JOURNAL).write_text(json.dumps(checkpoint.journal), encoding="utf-8")
    (part / STATE).write_text(json.dumps(checkpoint.state), encoding="utf-8")
    seal(part)
    part.rename(final)
    sync_folder(folder)
    found = sorted(folder.glob("step-*[0-9]"))
    end = found.index(final) + 1
    for old in found[: max(0, end - kept)] + found[end:]:
        old.rename(old.with_suffix(DELETING))
        shutil.rmtree(old.with_suffix(DELETING))
    return final


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process was writing or deleting; each may be as large as a checkpoint."""
    for kind in (UNFINISHED, DELETING):
        for path in sorted(folder.glob(f"step-*{kind}")):
            shutil.rmtree(path)


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest sound checkpoint, None where there is none; say which ones are torn."""
    return newest_sound(sorted(folder.glob("step-*[0-9]"), reverse=True), lambda found: damage(found, FILES))


def load_checkpoint(checkpoint: Path) -> Checkpoint:
    """Read a sound checkpoint."""
    return Checkpoint(
        weights=load_file(checkpoint / WEIGHTS),
        optimizer=load_file(checkpoint / OPTIMIZER),
        journal=json.loads((checkpoint / JOURNAL).read_text(encoding="utf-8")),
        state=json.loads((checkpoint / STATE).read_text(encoding="utf-8")),
    )


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[int, str]) -> dict[str, torch.Tensor]:
    """Return the optimizer's state as named tensors; `names` gives each weight's name by its id()."""
    return {
        # Some optimizers count their steps in a Python int.
        f"{names[id(weight)]}/{key}": value.detach() if isinstance(value, torch.Tensor) else torch.tensor(value)
        for weight, entries in optimizer.state.items()
        for key, value in entries.items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, weights: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Give the optimizer the state of `optimizer_tensors`.

    The tensors are copied: those of a file lie at other addresses, at which vectorised sums may round differently.
    """
    for name, tensor in tensors.items():
        weight, key = name.rsplit("/", 1)
        state = optimizer.state[weights[weight]]
        if tensor.dtype == torch.int64 and tensor.dim() == 0:
            state[key] = int(tensor)
        else:
            # One copy at a fresh address; fused AdamW keeps its step counter beside the weights too.
            state[key] = like(weights[weight], tensor)


def _apart(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors that share no memory, as safetensors wants them; bitsandbytes has one code table for all."""
    seen, apart = set(), {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return apart
