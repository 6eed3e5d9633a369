"""transformers' Trainer, kept to one GPU a process."""

from typing import Any

from transformers import TrainingArguments


def on_one_gpu(options: TrainingArguments) -> Any:
    """Return the options for the first GPU alone: transformers takes all that one process sees.

    It would multiply the batch by their number; trl's trainers refuse that.
    """
    if options.n_gpu > 1:
        options._n_gpu = 1
    return options
