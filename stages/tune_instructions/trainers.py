"""trl's trainers, set up from our settings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from datasets import Dataset
from peft import LoraConfig
from transformers import TrainerCallback
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from pipeline.stage import Execution
from stages.shared.model_folder import module_name
from stages.shared.training.one_gpu import on_one_gpu
from stages.shared.training.share import make_share
from stages.tune_instructions.chat import Chat
from stages.tune_instructions.encoding import Encoded, Pair
from stages.tune_instructions.processes import is_sharded
from stages.tune_instructions.settings import DpoSettings, LoraSettings, SftSettings, TrainerSettings


@dataclass(frozen=True)
class Place:
    """Where a training runs and writes."""

    checkpoints: Path
    accelerator: Accelerator
    execution: Execution
    callback: TrainerCallback


def sft_trainer(
    loaded: tuple[Any, Any, Chat], rows: Sequence[Encoded], settings: SftSettings, place: Place
) -> SFTTrainer:
    """Return a trainer for conversations that are encoded already: trl leaves their labels as they are.

    `loaded` are model, tokenizer and chat. Beside adapters the rows of added markers are trained, in both tables.
    """
    model, tokenizer, chat = loaded
    markers = marker_rows(model, tokenizer, chat) if settings.lora else {}
    options = arguments(settings, place) | {
        "packing": settings.packing,
        "max_length": settings.max_length,
        "completion_only_loss": False,
    }
    trainer = SFTTrainer(
        model=model,
        args=on_one_gpu(SFTConfig(**options)),
        train_dataset=Dataset.from_list([row._asdict() for row in rows]),
        processing_class=tokenizer,
        peft_config=lora_config(settings.lora, markers),
        callbacks=[place.callback],
    )
    if markers:
        # trl (1.16) asks the head for its bias, which peft (0.21) does not hand on from within; no head here has one.
        adapted: Any = trainer.model
        adapted.get_output_embeddings().bias = None
    put_in_order(trainer, settings)
    return trainer


def dpo_trainer(
    models: tuple[Any, Any | None], tokenizer: Any, pairs: Sequence[Pair], settings: DpoSettings, place: Place
) -> DPOTrainer:
    """Return a trainer for pairs of answers; `models` are the one to train and the reference.

    With LoRA the reference is None: it is the model without its adapters. trl encodes the pairs itself, by the same
    template and length.
    """
    model, reference = models
    options = arguments(settings, place) | {
        "beta": settings.beta,
        "loss_type": [settings.loss],
        "max_length": settings.max_length,
    }
    trainer = DPOTrainer(
        model=model,
        ref_model=reference,
        args=on_one_gpu(DPOConfig(**options)),
        train_dataset=Dataset.from_list([pair.row for pair in pairs]),
        processing_class=tokenizer,
        peft_config=lora_config(settings.lora),
        callbacks=[place.callback],
    )
    put_in_order(trainer, settings)
    return trainer


def arguments(settings: TrainerSettings, place: Place) -> dict[str, Any]:
    """Return what the trainers of both methods are told; no tracker of transformers' own is started."""
    execution, processes = place.execution, place.accelerator
    share = make_share(
        settings.global_batch,
        execution.micro_batch,
        processes.process_index,
        processes.num_processes,
        f"tuning.{settings.method}",
        "rows",
    )
    accumulating = {}
    if is_sharded(processes):
        # Exchanged each time, as in continued pretraining: else each process holds all gradients until the last.
        accumulating = {"gradient_accumulation_kwargs": {"sync_each_batch": True}}
    return {
        "output_dir": str(place.checkpoints),
        "per_device_train_batch_size": share.micro_batch,
        "gradient_accumulation_steps": share.accumulation,
        "num_train_epochs": 1,  # of rows that are in the order of all epochs
        "train_sampling_strategy": "sequential",
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup_share,  # a number below 1 is a share
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "optim": "adamw_torch",
        "seed": settings.seed,
        "data_seed": settings.seed,
        "use_cpu": execution.device == "cpu",
        "accelerator_config": {"use_configured_state": True} | accumulating,  # the processes have joined already
        "ddp_find_unused_parameters": False,
        "bf16": settings.precision == "bfloat16",
        "activation_checkpointing": settings.gradient_checkpointing,
        "save_strategy": "no",  # the callback says when
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would show the loss before in the place of one that is not finite
        "report_to": "none",
        "disable_tqdm": False,
        "push_to_hub": False,
    }


def put_in_order(trainer: Any, settings: TrainerSettings) -> None:
    """Give a trainer, whose rows may be packed by now, all epochs' rows one after the other."""
    rows = trainer.train_dataset
    trainer.train_dataset = rows.select(row_order(len(rows), settings.epochs, settings.global_batch, settings.seed))


def row_order(rows: int, epochs: float, global_batch: int, seed: int) -> np.ndarray:
    """Return the numbers of the rows of a whole training, int64: epochs one after the other, each shuffled anew.

    Only full global batches, the last filled from the epoch after: one that is not full would be filled by transformers
    with rows that depend on the number of processes.

    >>> row_order(3, epochs=1, global_batch=2, seed=0).tolist()
    [2, 0, 1, 2]
    """
    steps = math.ceil(round(rows * epochs, 6) / global_batch)
    generator = np.random.default_rng(seed)
    order = [generator.permutation(rows) for _ in range(math.ceil(steps * global_batch / rows))]
    return np.concatenate(order)[: steps * global_batch]


def marker_rows(model: Any, tokenizer: Any, chat: Chat) -> dict[str, list[int]]:
    """Return the ids of the markers that the vocabulary lacked, by the names of the tables; empty for none."""
    ids = tokenizer.convert_tokens_to_ids(list(chat.added_tokens))
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    return {module_name(model, table): ids for table in tables} if ids else {}


def lora_config(settings: LoraSettings | None, rows: Mapping[str, Sequence[int]] | None = None) -> LoraConfig | None:
    """Return peft's config, None for full training; `rows` of tables, by name, are trained as they are."""
    if settings is None:
        return None
    return LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.target_modules),
        bias="none",
        task_type="CAUSAL_LM",
        trainable_token_indices={name: list(ids) for name, ids in rows.items()} if rows else None,
    )
