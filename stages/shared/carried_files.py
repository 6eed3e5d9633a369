"""What the folder of a trained model takes over from that of the model it was trained from."""

import shutil
from pathlib import Path

from stages.shared.mapping_files import FILES as MAPPING_FILES

WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
TRAINING = ("metrics.jsonl", "held_out.jsonl", "samples.jsonl", "training.json", "tuning.json", "answers.json")
NOT_CARRIED = ("manifest.json", *MAPPING_FILES, *TRAINING, *WEIGHTS)
"""What describes an artifact rather than its model, and the weights, which are written anew."""


def carry_over(source: Path, out: Path) -> None:
    """Copy config, tokenizers, code and whatever else a model's folder holds beside its weights, also in folders."""
    for path in sorted(source.rglob("*")):
        if path.is_file() and not any(path.match(pattern) for pattern in NOT_CARRIED):
            target = out / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
