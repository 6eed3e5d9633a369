"""What stages are told of this machine in tests: one process, no GPU, nothing tracked."""

from pathlib import Path
from typing import Any

from pipeline.stage import Execution

HERE: dict[str, Any] = {
    "workers": 1,
    "array": None,
    "device": "cpu",
    "micro_batch": 1,
    "checkpoint_seconds": 1e9,
    "checkpoint_pause_factor": 0.0,
    "kept_checkpoints": 2,
    "peak_flops_per_second": None,
    "sharding": "none",
    "attention_kernel": "sdpa",
    "activation_checkpointing": False,
    "compile": False,
    "downloads": Path("downloads"),
    "tracking": None,
    "tracking_project": "test",
    "tracking_entity": None,
    "tracking_id": "test",
    "tracking_name": "test",
    "tracking_group": None,
    "tracking_labels": {},
    "logs": None,
    "debian_mirror": None,
}


def here(**changed: Any) -> Execution:
    """Return it with some values changed."""
    return Execution(**HERE | changed)
