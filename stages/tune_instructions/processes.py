"""Work that the processes of a tuning share."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from accelerate import Accelerator
from accelerate.utils import gather_object

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_its_part(
    items: Sequence[Item], work: Callable[[Sequence[Item]], Sequence[Result]], accelerator: Accelerator
) -> list[Result]:
    """Return one result an item, in their order, of which each process works on every n-th; all get all.

    All processes must call it with the same items. `work` gives each item's result whatever others are beside it.
    """
    ranks, rank = accelerator.num_processes, accelerator.process_index
    parts = gather_object([list(work(items[rank::ranks]))])
    return [parts[place % ranks][place // ranks] for place in range(len(items))]
