"""A tiny training to run in this process, in a child, or under torchrun: `python training_case.py OUT CASE.json`."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from execution_here import HERE  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from pipeline.stage import CHECKPOINTS, Execution  # noqa: E402
from stages.continue_pretraining import loop  # noqa: E402
from stages.continue_pretraining.settings import ContinuePretrainingSettings  # noqa: E402
from stages.continue_pretraining.stage import continue_pretraining  # noqa: E402
from stages.shared.training.step import take_step  # noqa: E402

VOCABULARY = 97
PHASES = [
    {"name": "tables", "share": 0.3, "train": "embeddings", "learning_rate": 0.0, "embedding_learning_rate": 0.02},
    {"name": "whole", "share": 0.7, "train": "all", "learning_rate": 0.005, "embedding_learning_rate": 0.01},
]
TRAINING = {
    "tokens": 500,
    "sequence_length": 8,
    "global_batch": 4,
    "seed": 1,
    "threads": 1,
    "precision": "float32",
    "attention": "causal",
    "max_grad_norm": 1.0,
    "weight_decay": 0.01,
    "betas": [0.9, 0.98],
    "optimizer": {"method": "adamw"},
    "adapter": {"method": "none"},
    "objective": "causal",
    "warmup_share": 0.1,
    "schedule": "cosine",
    "decay_share": 0.2,
    "min_learning_rate_share": 0.1,
    "validation_tokens": 40,
    "phases": PHASES,
    "skipping": {"most_in_a_row": 5, "spikes": None},
    "watch": None,
}
EXECUTION = HERE | {"micro_batch": 2}


def make_model(folder: Path, tied: bool = True, dtype: torch.dtype = torch.float32, **config: Any) -> Path:
    """Write a random Llama of a few thousand weights."""
    shape = {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 5,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "tie_word_embeddings": tied,
    }
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**(shape | config))).to(dtype)
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text('{"a tokenizer": "goes along"}')
    (folder / "manifest.json").write_text("{}")
    return folder


def make_tokens(folder: Path, count: int = 500, vocabulary: int = VOCABULARY) -> Path:
    """Write packed tokens with a pattern to learn: each token follows from the one before, mostly."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    meta: dict[str, Any] = {"vocabulary_size": vocabulary, "dtype": "uint16", "start_token_id": 0}
    for split, length in (("train", count), ("validation", 60)):
        tokens = np.zeros(length, dtype="<u2")
        for place in range(1, length):
            tokens[place] = (tokens[place - 1] * 5 + 3 + generator.integers(2)) % vocabulary
        starts = np.arange(0, length, 23, dtype=np.int64)
        tokens[starts] = 0
        tokens.tofile(folder / f"{split}.bin")
        np.save(folder / f"{split}_starts.npy", starts)
        meta[split] = {"tokens": length, "bytes": 3 * length, "documents": len(starts)}
    (folder / "tokens.json").write_text(json.dumps(meta | meta.pop("train")))
    return folder


def run_case(
    model: Path, tokens: Path, out: Path, execution: dict | None = None, texts: dict | None = None, **training: Any
) -> dict[str, Any]:
    """Run the stage; `training` and `execution` hold what differs from the above, `texts` further inputs."""
    out.mkdir(exist_ok=True)
    settings = ContinuePretrainingSettings.model_validate({"training": TRAINING | training})
    inputs = {"model": model, "tokens": tokens, **(texts or {})}
    return continue_pretraining(settings, inputs, out, Execution(**(EXECUTION | (execution or {}))))


def signalling(number, step):
    """Return take_step, during whose step number `step` (from 1) a signal comes, and comes once more."""

    def take(training, module, weights, at, most_loss):
        if at == step - 1:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
        return take_step(training, module, weights, at, most_loss)

    return take


def child(model: Path, tokens: Path, out: Path, execution: dict, log: Path, training: dict) -> None:
    """Run the stage with what it says in a file, and end with status 3 on a UserError."""
    from pipeline.errors import UserError

    with log.open("a", encoding="utf-8") as sys.stderr:
        try:
            run_case(model, tokens, out, execution, **training)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(3)


def hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder that would be published, which checkpoints are not."""
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if name.parts[0] != CHECKPOINTS
    }


def losses(folder: Path) -> list[float]:
    """Return the loss of every step."""
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def gradients_held_once(training, module, weights, at, most_loss):
    """Take a step, before and after which gradients lie in the buckets of their exchange and nowhere else."""

    def check():
        buckets = [weight.grad.untyped_storage() for weight in weights]
        sizes = {bucket.data_ptr(): bucket.nbytes() for bucket in buckets}
        assert len(weights) == 1 or len(sizes) < len(weights)
        assert sum(sizes.values()) == sum(weight.numel() * 4 for weight in weights)

    check()
    result = take_step(training, module, weights, at, most_loss)
    check()
    return result


if __name__ == "__main__":
    case = json.loads(Path(sys.argv[2]).read_text())
    if "RANK" in os.environ:
        loop.take_step = gradients_held_once
    run_case(Path(case["model"]), Path(case["tokens"]), Path(sys.argv[1]), case["execution"], **case["training"])
