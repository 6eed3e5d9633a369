"""The arithmetic of planning, against numbers worked out by hand for Llama-2-7B and small shapes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import roofline
from pipeline.roofline import Batches, Gpu, MemoryFacts, Moments, make_shape

LLAMA2 = make_shape(parameters=6_738_415_616, vocabulary=32_000, hidden=4_096, layers=32, tied=False)
BATCHES = Batches(sequence_length=4_096, global_batch=64, micro_batch=1, processes=8)
ADAMW = Moments(body=8, tables=8)
BF16 = MemoryFacts(
    moments=ADAMW,
    compute_bytes=2,
    activation_bytes=40,
    frozen_activation_bytes=32,
    chunk_bytes=32 * 2**20,
    reserved_bytes=0,
)
GPU = Gpu(flops_per_second=1e15, bytes_per_second=1e12, memory_bytes=80e9)


def test_the_weights_of_llama_2_by_hand():
    # 32 layers of 4 x 4096 x 4096 and 3 x 4096 x 11008 and two norms, one norm at the end
    layer = 4 * 4096 * 4096 + 3 * 4096 * 11008 + 2 * 4096
    assert LLAMA2.body == 32 * layer + 4096 == 6_476_271_616
    assert LLAMA2.tables == 2 * 32_000 * 4_096
    assert LLAMA2.with_vocabulary(50_000).parameters == 6_476_271_616 + 2 * 50_000 * 4_096
    tied = make_shape(6_738_415_616, 32_000, 4_096, 32, tied=True)
    assert (tied.parameters, tied.tables) == (6_738_415_616, 131_072_000)


def test_what_a_phase_trains():
    assert LLAMA2.trained("all") == 6_738_415_616
    assert LLAMA2.trained("embeddings") == 262_144_000
    assert LLAMA2.trained("2x2") == 262_144_000 + 6_476_271_616 * 4 // 32
    assert LLAMA2.trained("40x40") == LLAMA2.trained("all")


def test_operations_of_a_token_by_hand():
    # 6 x (6,476,271,616 + 131,072,000) = 39,644,061,696; attention 12 x 32 x 4096 x 4096 = 6,442,450,944
    assert roofline.flops_per_token(LLAMA2, "all", 4_096, checkpointing=False) == 46_086_512_640
    # All but the head frozen: 4 x 6,607,343,616 + 2 x 131,072,000 and the same attention
    assert roofline.flops_per_token(LLAMA2, "embeddings", 4_096, checkpointing=False) == 33_133_969_408
    # Forward again: 2 x 6,476,271,616 and a third of the attention
    again = roofline.flops_per_token(LLAMA2, "all", 4_096, checkpointing=True) - 46_086_512_640
    assert again == 12_952_543_232 + 2_147_483_648


def test_a_model_that_is_only_read():
    # 2 x 6,607,343,616 and a third of the attention
    assert roofline.reading_flops_per_token(LLAMA2, 4_096) == 13_214_687_232 + 2_147_483_648
    # 8 micro-steps of 4,096 tokens at 5e14 a second; then one of 8 tokens, for which all weights are read once
    seconds = roofline.reading_seconds(LLAMA2, BATCHES, GPU.reaching(0.5))
    assert seconds == pytest.approx(8 * 4_096 * 15_362_170_880 / 5e14)
    few = Batches(sequence_length=8, global_batch=1, micro_batch=1, processes=1)
    assert roofline.reading_seconds(LLAMA2, few, GPU.reaching(0.5)) == pytest.approx(4 * 6_607_343_616 / 1e12)
    beside = roofline.memory(LLAMA2, "all", BATCHES, replace(BF16, reference=True))
    assert beside.total - roofline.memory(LLAMA2, "all", BATCHES, BF16).total == 4 * 6_738_415_616


def test_two_vocabularies():
    both = LLAMA2.with_vocabularies(read=48_000, written=16_000)
    assert both.tables == (48_000 + 16_000) * 4_096
    assert both.multiplied == 6_476_271_616 + 16_000 * 4_096
    assert not both.tied
    tied = make_shape(6_738_415_616, 32_000, 4_096, 32, tied=True)
    assert (tied.head, tied.with_vocabulary(50_000).tables) == (tied.table, 50_000 * 4_096)


def test_a_step_limited_by_computing():
    # 8 micro-steps of 4,096 tokens: 46,086,512,640 x 4,096 / (1e15 x 0.5) = 0.37754 s; update 40 x 6.738e9 / 1e12
    step = roofline.step_seconds(LLAMA2, "all", BATCHES, GPU.reaching(0.5))
    assert step == pytest.approx(8 * 0.3775407 + 0.2695366, rel=1e-6)
    assert roofline.tokens_per_second(step, BATCHES) == pytest.approx(64 * 4_096 / 3.2898622, rel=1e-6)


def test_a_step_limited_by_memory():
    # One sequence of 8 tokens: weights read twice in float32, gradients read and written, takes longer than computing.
    few = Batches(sequence_length=8, global_batch=1, micro_batch=1, processes=1)
    moved = 8 * 6_607_343_616 + 8 * 6_738_415_616
    step = roofline.step_seconds(LLAMA2, "all", few, GPU.reaching(0.5))
    assert step == pytest.approx((moved + 40 * 6_738_415_616) / 1e12)


def test_memory_of_llama_2_on_one_gpu_by_hand():
    one = replace(BATCHES, processes=1)
    needed = roofline.memory(LLAMA2, "all", one, BF16)
    # 16 bytes a weight: 107.8 GB; activations 4,096 tokens x 4,096 x 32 layers x 40 bytes
    assert needed.weights + needed.gradients + needed.optimizer == 16 * 6_738_415_616
    assert needed.activations == 4_096 * 4_096 * 32 * 40 == 21_474_836_480
    assert needed.copies == 2 * 6_607_343_616
    assert needed.logits == 3 * 32 * 2**20 + 4 * 131_072_000
    assert needed.total == pytest.approx(107_814_649_856 + 21_474_836_480 + 13_214_687_232 + 624_951_296)


def test_frozen_weights_that_are_held_rounded_by_hand():
    held = roofline.Saving(frozen_bytes=2)
    # Of 32 layers 28 are frozen, 5,666,737,664 weights; what is left of the body and the tables is in float32
    outer = roofline.memory(LLAMA2, "2x2", BATCHES, BF16, held)
    assert LLAMA2.frozen("2x2") == 6_476_271_616 - 809_533_952 == 5_666_737_664
    assert outer.weights == 2 * 5_666_737_664 + 4 * 1_071_677_952
    plain = roofline.memory(LLAMA2, "2x2", BATCHES, BF16)
    assert plain.copies - outer.copies == 2 * 5_666_737_664
    for train in ("embeddings", "lora", "adapters"):
        assert roofline.memory(LLAMA2, train, BATCHES, BF16, held).weights == 2 * 6_476_271_616 + 4 * 262_144_000
    assert roofline.memory(LLAMA2, "all", BATCHES, BF16, held) == roofline.memory(LLAMA2, "all", BATCHES, BF16)
    # Of 8 tokens: the body is read twice in 2 bytes, the head in 4; gradients of both tables; the update
    few = Batches(sequence_length=8, global_batch=1, micro_batch=1, processes=1)
    moved = 2 * (2 * 6_476_271_616 + 4 * 131_072_000) + (8 + 40) * 262_144_000
    assert roofline.step_seconds(LLAMA2, "embeddings", few, GPU, held) == pytest.approx(moved / 1e12)


def test_sharding_and_checkpointing_by_hand():
    needed = roofline.memory(LLAMA2, "all", BATCHES, BF16, roofline.Saving(sharded=True, checkpointing=True))
    assert needed.weights + needed.gradients + needed.optimizer == 2 * 6_738_415_616  # 16 bytes on 8 processes
    assert needed.activations == 4_096 * 4_096 * (32 * 4 + 40)
    # Two layers of 202,383,488 in bfloat16, both tables and their gradient in float32, the head in bfloat16 as well
    assert needed.copies == 2 * 2 * 202_383_488 + (4 + 4) * 262_144_000 + 2 * 131_072_000


def test_processes_that_exchange_gradients_hold_them_twice_unless_in_buckets():
    alone, together = (roofline.memory(LLAMA2, "all", replace(BATCHES, processes=count), BF16) for count in (1, 8))
    assert together.total - alone.total == 4 * 6_738_415_616
    bucketed = roofline.memory(LLAMA2, "all", BATCHES, BF16, roofline.Saving(bucketed=True))
    assert bucketed.total == alone.total


def test_a_checkpoint_holds_trained_weights_and_two_moments():
    assert roofline.checkpoint_bytes(LLAMA2, "embeddings", ADAMW) == 12 * 262_144_000


def test_other_optimizers_and_adapters_alone_by_hand():
    muon = replace(BF16, moments=Moments(body=4, tables=8))
    assert roofline.memory(LLAMA2, "all", BATCHES, muon).optimizer == 4 * 6_476_271_616 + 8 * 262_144_000
    alone = roofline.memory(LLAMA2, "adapters", BATCHES, BF16)
    assert (alone.gradients, alone.optimizer, alone.logits) == (0, 0, 3 * 32 * 2**20)
    assert alone.activations == roofline.memory(LLAMA2, "lora", BATCHES, BF16).activations
    assert roofline.flops_per_token(LLAMA2, "adapters", 4_096, False) == 4 * 6_607_343_616 + 6_442_450_944


@given(
    layers=st.integers(1, 8),
    width=st.integers(8, 64),
    tied=st.booleans(),
    processes=st.sampled_from([1, 2, 4]),
    micro_batch=st.integers(1, 8),
)
def test_less_is_never_more(layers, width, tied, processes, micro_batch):
    shape = make_shape(10**6, 100, width, layers, tied)
    batches = Batches(32, 8, micro_batch, processes)
    checkpointing = roofline.Saving(checkpointing=True)
    checkpointed = roofline.memory(shape, "all", batches, BF16, checkpointing)
    plain = roofline.memory(shape, "all", batches, BF16)
    assert roofline.memory(shape, "embeddings", batches, BF16).total <= plain.total
    assert layers == 1 or checkpointed.activations < plain.activations
    halved = roofline.memory(
        shape, "all", replace(batches, processes=2 * processes), BF16, roofline.Saving(sharded=True)
    )
    assert halved.optimizer * 2 * processes == pytest.approx(plain.optimizer)
    for train in ("all", "embeddings"):
        seconds = roofline.step_seconds(shape, train, batches, GPU.reaching(0.5))
        assert seconds <= roofline.step_seconds(shape, train, batches, GPU.reaching(0.4))
        assert seconds <= roofline.step_seconds(shape, train, batches, GPU.reaching(0.5), checkpointing)
