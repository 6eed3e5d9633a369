"""Batches made ahead, in a thread, are those that would be made on the spot, and the thread ends with the training."""

import signal
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training_case import hashes, run_case, signalling

from pipeline.errors import UserError
from stages.continue_pretraining import loop
from stages.shared.training.batches import Blocks
from stages.shared.training.feeding import Feeder, to_device
from stages.shared.training.share import make_share

CPU = torch.device("cpu")


@dataclass(frozen=True)
class WatchedBlocks(Blocks):
    """Blocks that note which thread asked for which."""

    asked: list[tuple[str, list[int]]] = field(default_factory=list)

    def batch(self, rows):
        self.asked.append((threading.current_thread().name, rows))
        return super().batch(rows)


def make_feeder(tokens, batch=4, micro_batch=2, rank=0, ranks=1) -> Feeder:
    data = WatchedBlocks(np.arange(tokens, dtype=np.uint16), np.arange(0, tokens, 7), 5, by_document=True)
    return Feeder(data, make_share(batch, micro_batch, rank, ranks), CPU)


def batch_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]


@given(
    tokens=st.integers(2, 200),
    part=st.integers(1, 4),
    ranks=st.integers(1, 3),
    steps=st.lists(st.integers(0, 12), min_size=1, max_size=6),
)
def test_any_steps_in_any_order_get_their_own_batches(tokens, part, ranks, steps):
    for rank in range(ranks):
        feeder = make_feeder(tokens, part * ranks, 1 if part == 3 else min(part, 2), rank, ranks)
        with feeder:
            for step in steps:
                handed = list(feeder.batches(step))
                made = [to_device(feeder.data.batch(rows), CPU) for rows in feeder.share.rows(step, len(feeder.data))]
                assert len(handed) == len(made)
                for ours, theirs in zip(handed, made, strict=True):
                    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_all_but_the_first_are_made_ahead_and_each_once():
    feeder = make_feeder(tokens=101)  # 20 blocks: five steps of two micro-batches
    with feeder:
        for step in range(5):
            for place, _ in enumerate(feeder.batches(step)):
                if (step, place) != (4, 1):
                    assert feeder.ahead is not None  # before the model has the one just handed out
    asked = feeder.data.asked
    assert [rows for _, rows in asked] == [[first, first + 1] for first in range(0, 20, 2)]
    assert [thread.startswith("batches") for thread, _ in asked] == [False, *[True] * 9]
    assert feeder.ahead is None
    assert not batch_threads()


def test_what_goes_wrong_in_the_thread_is_raised_where_the_batch_is_wanted():
    feeder = make_feeder(tokens=101)
    with feeder:
        batches = feeder.batches(step=0)
        next(batches)
        assert feeder.ahead is not None
        feeder.ahead[1].result()
        object.__setattr__(feeder.data, "tokens", None)
        next(batches)  # was made before; now the next step's is asked for
        with pytest.raises(TypeError, match="NoneType"):
            next(feeder.batches(step=1))
    assert not batch_threads()


def test_a_training_has_the_same_bytes_with_and_without_and_after_a_stop(
    tiny_model, tiny_tokens, tmp_path, monkeypatch
):
    run_case(tiny_model, tiny_tokens, tmp_path / "ahead")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", signalling(signal.SIGTERM, 6))
        with pytest.raises(UserError, match="SIGTERM after step 6"):
            run_case(tiny_model, tiny_tokens, tmp_path / "stopped")
    assert not batch_threads()
    run_case(tiny_model, tiny_tokens, tmp_path / "stopped")
    monkeypatch.setattr(Feeder, "__enter__", lambda self: self)
    run_case(tiny_model, tiny_tokens, tmp_path / "on_the_spot")
    assert hashes(tmp_path / "ahead") == hashes(tmp_path / "on_the_spot") == hashes(tmp_path / "stopped")
