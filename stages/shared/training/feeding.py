"""Micro-batches for a training, the next one made while the model computes with the one before."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from stages.shared.training.batches import Batch, Blocks
from stages.shared.training.share import Share

Tensors = tuple[Tensor, ...]
"""A batch's arrays, int64."""


class Feeder:
    """Hands out the micro-batches of one process. As a context manager it makes the next one ahead, in one thread.

    Which ones these are follows from the step alone, so what was made ahead is no part of a training's state; where a
    training goes on elsewhere than expected, it is thrown away.
    """

    def __init__(self, data: Blocks, share: Share, device: torch.device) -> None:
        self.data, self.share, self.device = data, share, device
        self.thread: ThreadPoolExecutor | None = None
        self.ahead: tuple[list[int], Future[Tensors]] | None = None

    def __enter__(self) -> Self:
        """Start the thread."""
        options: dict[str, Any] = {}
        if self.device.type == "cuda":
            # A thread begins with the first GPU as its current one, and memory is pinned by way of that.
            options = {"initializer": torch.cuda.set_device, "initargs": (torch.cuda.current_device(),)}
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches", **options)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the thread, with what it is making."""
        if self.thread is not None:
            self.thread.shutdown(cancel_futures=True)
        self.thread = self.ahead = None

    def batches(self, step: int) -> Iterator[Tensors]:
        """Yield the micro-batches of an optimizer step (from 0), on the device."""
        rows = self.share.rows(step, len(self.data))
        coming = [*rows[1:], *self.share.rows(step + 1, len(self.data))[:1]]
        for place, mine in enumerate(rows):
            tensors = self._taken(mine)
            if self.thread is not None and place < len(coming):
                self.ahead = coming[place], self.thread.submit(self._make, coming[place])
            yield moved(tensors, self.device)

    def _taken(self, rows: list[int]) -> Tensors:
        ahead, self.ahead = self.ahead, None
        return ahead[1].result() if ahead is not None and ahead[0] == rows else self._make(rows)

    def _make(self, rows: list[int]) -> Tensors:
        return as_tensors(self.data.batch(rows), self.device)


def as_tensors(batch: Batch, device: torch.device) -> Tensors:
    """Return a batch in main memory, from where a copy to a GPU waits for nothing."""
    tensors = tuple(torch.from_numpy(part) for part in batch.arrays())
    return tuple(tensor.pin_memory() for tensor in tensors) if device.type == "cuda" else tensors


def moved(tensors: Tensors, device: torch.device) -> Tensors:
    """Return tensors on a device; their copies need not have arrived yet."""
    return tuple(tensor.to(device, non_blocking=True) for tensor in tensors)


def to_device(batch: Batch, device: torch.device) -> Tensors:
    """Return a batch as tensors on a device."""
    return moved(as_tensors(batch, device), device)
