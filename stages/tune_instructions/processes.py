"""What the processes of a tuning share: work, and where they are told to, the model."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from accelerate import Accelerator
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin, gather_object, get_int_from_env

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.shared.training.setup import make_accelerator
from stages.tune_instructions.settings import ON_GPUS_ONLY, TrainerSettings

Item = TypeVar("Item")
Result = TypeVar("Result")


def join(tuning: TrainerSettings, execution: Execution) -> Accelerator:
    """Join the processes of a tuning. Raises UserError as `make_accelerator`, and where Accelerate cannot shard.

    Adapters need no sharding: all else is frozen, and each process has the whole of it.
    """
    shared = execution.sharding == "full" and tuning.lora is None and get_int_from_env(["WORLD_SIZE"], 1) > 1
    plugin = None
    if shared:  # the modules are ours to choose (`shard`); Accelerate and transformers only have to know of it
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2, auto_wrap_policy="no_wrap", state_dict_type="FULL_STATE_DICT"
        )
    accelerator = make_accelerator(tuning.precision, tuning.threads, execution, plugin)
    if shared and not is_sharded(accelerator):
        raise UserError(ON_GPUS_ONLY)
    return accelerator


def is_sharded(accelerator: Accelerator) -> bool:
    """Tell whether each process has a part of the model."""
    return bool(accelerator.distributed_type == DistributedType.FSDP)


def each_its_part(
    items: Sequence[Item], work: Callable[[Sequence[Item]], Sequence[Result]], accelerator: Accelerator
) -> list[Result]:
    """Return one result an item, in their order, of which each process works on every n-th; all get all.

    All processes must call it with the same items. `work` gives each item's result whatever others are beside it.
    """
    ranks, rank = accelerator.num_processes, accelerator.process_index
    parts = gather_object([list(work(items[rank::ranks]))])
    return [parts[place % ranks][place // ranks] for place in range(len(items))]
