"""The processes, the model and the data of one training, each checked before the first step."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedDataParallelKwargs,
    FullyShardedDataParallelPlugin,
    InitProcessGroupKwargs,
    get_int_from_env,
)
from transformers import AutoConfig

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.shared.loading import hollow_causal_model, load_causal_model
from stages.shared.token_shard import TokenShard, read_tokens
from stages.shared.training.batches import Blocks
from stages.shared.training.encoders import load_encoder, read_vocabulary
from stages.shared.training.loss import check_plain_head
from stages.shared.training.masking import MaskedBlocks
from stages.shared.training.settings import TrainingSettings

MIXED = {"float32": "no", "bfloat16": "bf16"}
LONGEST_WAIT = timedelta(hours=2)
"""Of a process for the others. NCCL's own is 10 minutes, and the first process alone measures, writes checkpoints of 12
bytes a weight and reads them again, and writes the model, maybe over a slow network."""


def make_accelerator(
    precision: str, threads: int, execution: Execution, plugin: FullyShardedDataParallelPlugin | None = None
) -> Accelerator:
    """Join the processes and set torch's threads; `precision` of the matrix products, float32 or bfloat16.

    `plugin`: for a trainer that shares the model by Accelerate; there must be several processes then.

    Raises UserError where the device is missing, where there are fewer GPUs than processes here, or where fewer
    processes joined than were started.
    """
    if execution.device == "cuda":
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        check_gpus(get_int_from_env(["LOCAL_WORLD_SIZE"], 1), gpus)
    accelerator = Accelerator(
        cpu=execution.device == "cpu",
        mixed_precision=MIXED[precision],
        fsdp_plugin=plugin,
        gradient_accumulation_steps=1,  # the loop divides by the global batch's tokens itself
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=LONGEST_WAIT),
            DistributedDataParallelKwargs(gradient_as_bucket_view=True),
        ],
    )
    started = get_int_from_env(["WORLD_SIZE"], 1)
    if accelerator.num_processes != started:
        # `accelerate launch --cpu --num_processes 2` does this: one process, and no word of it.
        raise UserError(
            f"{started} processes were started, but {accelerator.num_processes} joined the training; start it with "
            "torchrun (`python -m torch.distributed.run --nproc_per_node=...`)"
        )
    torch.set_num_threads(threads)  # after Accelerate, which sets them too
    return accelerator


def check_gpus(processes: int, gpus: int) -> None:
    """Raise UserError where each of the processes on this machine cannot have a GPU of its own."""
    if not gpus:
        raise UserError("cluster.device=cuda, but torch sees no GPU; choose cluster=local, or set up the GPU's driver")
    if processes > gpus:
        raise UserError(
            f"{processes} processes were started here, a GPU each, but torch sees {gpus}; give "
            f"cluster.processes={gpus} (times the nodes), or look whether CUDA_VISIBLE_DEVICES hides some"
        )


def load_model(folder: Path, settings: TrainingSettings, device: torch.device, hollow: bool = False) -> Any:
    """Load a causal language model to train, or with the masked objective an encoder, its weights in float32.

    A `hollow` decoder has room for its weights alone: another process will send them. Raises UserError where it is not
    whole, too short for the sequences, or has a head that the loss does not know.
    """
    if settings.objective == "masked":
        model = load_encoder(folder, settings.sequence_length)
    else:
        model = load_decoder(folder, settings.sequence_length, hollow)
    for weight in () if hollow else model.parameters():
        # Loaded weights lie in the mapped file at any address, where vectorised sums may round differently than in
        # the memory of a resumed training.
        weight.data = weight.data.clone()
    return model.to(device).train()


def load_decoder(folder: Path, sequence_length: int, hollow: bool) -> Any:
    """Load a causal language model. Raises UserError as `load_model` does."""
    config = AutoConfig.from_pretrained(folder)
    longest = getattr(config.get_text_config(), "max_position_embeddings", None)
    if longest is not None and sequence_length > longest:
        raise UserError(
            f"training.sequence_length={sequence_length} is more than the {longest} positions of the model in "
            f"{folder}; give at most {longest}"
        )
    load = hollow_causal_model if hollow else load_causal_model
    model = load(folder, torch.float32, attn_implementation="sdpa")
    check_plain_head(model)
    return model


@dataclass(frozen=True)
class TrainingData:
    """The packed text, cut into sequences."""

    train: Blocks
    validation: Blocks | None
    """None where the settings want none or there is no text."""
    meta: dict[str, Any]
    """tokens.json."""


def load_data(folder: Path, settings: TrainingSettings, rows: int) -> TrainingData:
    """Open the packed tokens for a model with so many embedding rows.

    Raises UserError where there is nothing to train on or the tokens are of another vocabulary.
    """
    shard = read_tokens(folder, "train")
    if len(shard.tokens) < 2:
        raise UserError(f"{folder} holds {len(shard.tokens)} tokens; give the language's data cards more text")
    if shard.meta["vocabulary_size"] > rows:
        raise UserError(
            f"the tokens in {folder} are of a vocabulary of {shard.meta['vocabulary_size']}, but the model has {rows} "
            "rows: they do not belong together; pack the text with the model's own tokenizer"
        )
    validation = None
    if settings.validation_tokens:
        held_out = read_tokens(folder, "validation")
        if len(held_out.tokens) > 1:
            validation = cut(held_out, settings, settings.validation_tokens)
    return TrainingData(cut(shard, settings), validation, shard.meta)


def hide_tokens(data: TrainingData, folder: Path, seed: int) -> TrainingData:
    """Return the same sequences for the masked objective; `folder` holds the model's tokenizer."""
    vocabulary = read_vocabulary(folder)

    def hide(blocks: Blocks) -> Blocks:
        return MaskedBlocks(**vars(blocks), vocabulary=vocabulary, seed=seed)

    return TrainingData(hide(data.train), None if data.validation is None else hide(data.validation), data.meta)


def cut(shard: TokenShard, settings: TrainingSettings, most: int | None = None) -> Blocks:
    """Return the first `most` tokens of a split as sequences, all of them where it is None."""
    return Blocks(shard.tokens[:most], shard.starts, settings.sequence_length, settings.attention == "document")
