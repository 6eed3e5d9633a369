"""Tunings in the plan: what they hold on a GPU, worked out by hand for Llama-2-7B, and what is refused."""

from functools import cache

import pytest

from pipeline import graph
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.gpu_memory import check_trainings, trainings
from pipeline.planning_settings import GpuFacts
from pipeline.sources import current_lock
from pipeline.training_plan import make_gpu

WEIGHTS, WIDTH, LAYERS, VOCABULARY = 6_738_415_616, 4_096, 32, 32_000
SEVEN_B = ["language=dutch", "base_model=llama2_7b", "cluster=one_gpu", "cluster.micro_batch=1"]
SEVEN_B += ["cluster.activation_checkpointing=true", "training=tweety_two_stage", "evaluation.baselines=[]"]
TUNED = ("mapping=keep", "calibration=none", "instructions=packaged")
TRANSLATING = ("heads=hydra", "tokenizer.vocabulary_size=16000", "parallel_tuning.precision=bfloat16")
SMALL = (
    "base_model=smollm2_135m",
    "cluster.micro_batch=64",
    "tuning.sft.max_length=4096",
    "tuning.sft.global_batch=64",
)


@cache
def steps(*overrides):
    config = load_config([*SEVEN_B, *overrides])
    return [(step, config) for step in graph.adapt(config, current_lock(config))]


@cache
def plans(*overrides):
    return {plan.name: plan for plan, _ in trainings(steps(*overrides))}


def test_tuning_all_weights_by_hand():
    whole = plans("tuning=chocollama", *TUNED)
    sft, dpo = whole["instruct_model"].memory(), whole["preferred_model"].memory()
    for needed in (sft, dpo):
        assert needed.weights + needed.gradients + needed.optimizer == 16 * WEIGHTS
        assert needed.copies == 2 * (WEIGHTS - VOCABULARY * WIDTH)  # in bfloat16, without the input table
    # What goes into each layer in float32, and one layer whole; of two answers with DPO.
    assert sft.activations == 2_048 * WIDTH * (4 * LAYERS + 59)
    assert dpo.activations == 2 * sft.activations
    assert (sft.reference, dpo.reference) == (0, 4 * WEIGHTS)


def test_processes_that_share_the_model_have_its_parts_but_measure_it_whole():
    four = ("cluster=multi_gpu", "cluster.processes=4", "cluster.sharding=full")
    dpo = plans("tuning=chocollama", *TUNED, *four)["preferred_model"]
    needed = dpo.memory()
    assert needed.weights + needed.gradients + needed.optimizer == 16 * WEIGHTS / 4
    assert needed.reference == 4 * WEIGHTS / 4
    assert needed.total < 60e9  # on the four GPUs of 80 GB that its authors had
    many = plans("tuning=chocollama", *TUNED, *four, "cluster.processes=64")["preferred_model"]
    assert many.memory().total == pytest.approx((4 + 4 / 64) * WEIGHTS + many.facts.reserved_bytes)
    adapters = plans("tuning=chocollama_lora", *TUNED, *four)["preferred_model"]
    assert not adapters.sharded
    assert adapters.memory().weights == 4 * WEIGHTS


def test_a_tuning_on_processors_cannot_share_its_model():
    shared = ("cluster=local", "cluster.processes=2", "cluster.sharding=full", "training.global_batch=2")
    with pytest.raises(UserError, match=r"instruct_model: .*shares its model among GPUs only.*cluster\.sharding=none"):
        check_trainings(steps("tuning=sft", *TUNED, *shared))


def test_adapters_have_neither_gradients_of_the_weights_nor_a_second_model():
    small = plans("tuning=chocollama_lora", *TUNED)
    for name in ("instruct_model", "preferred_model"):
        needed = small[name].memory()
        assert (needed.gradients, needed.optimizer, needed.reference) == (0, 0, 0)
        assert needed.total < 60e9
    check_trainings(steps("tuning=chocollama_lora", *TUNED))


def test_the_reference_reads_what_the_model_is_trained_on():
    facts = GpuFacts(flops_per_second={"bfloat16": 1e15}, bytes_per_second=1e15, memory_gb=80)
    for tuning in ("chocollama", "chocollama_lora"):
        dpo = plans(f"tuning={tuning}", *TUNED)["preferred_model"]
        alone = dpo.flops - dpo.tokens * (2 * (WEIGHTS - VOCABULARY * WIDTH) + 4 * LAYERS * WIDTH * dpo.row_tokens)
        sft = plans(f"tuning={tuning}", *TUNED)["instruct_model"]
        # Two answers of as many tokens: more of attention, and nothing else.
        assert alone / dpo.tokens == pytest.approx(sft.flops / sft.tokens, rel=0.05)
        # So fast a memory leaves computing as the limit, but for the update.
        assert dpo.seconds(make_gpu(facts, "bfloat16"), 0.5) == pytest.approx(dpo.flops / 5e14, rel=0.01)


def test_what_cannot_be_tuned_is_refused_with_what_would_fit():
    with pytest.raises(UserError) as raised:
        check_trainings(steps("tuning=chocollama", *TUNED))
    sft, dpo = str(raised.value).splitlines()
    assert sft.startswith("instruct_model needs about ")
    assert "would fit: cluster=multi_gpu cluster.sharding=full cluster.processes=2 (" in sft
    assert "or tuning.sft.lora (as in tuning=chocollama_lora) (" in sft
    assert sft.endswith("or cluster.gpu=h200 where you have one")
    assert dpo.startswith("preferred_model needs about ")
    assert "reference 27.0" in dpo
    assert "h200" not in dpo  # a second copy is too much for that as well
    with pytest.raises(UserError, match=r"fit: cluster\.micro_batch=16 .*or tuning\.sft\.lora") as raised:
        check_trainings(steps("tuning=sft", *TUNED, "tuning.sft.precision=bfloat16", *SMALL))
    assert "gradient_checkpointing" not in str(raised.value)


def test_tuning_for_translation_by_hand():
    tuned = plans(*TRANSLATING)
    base, hydra = tuned["base_parft_model"], tuned["hydra_parft_model"]
    assert base.shape.parameters == WEIGHTS
    body = WEIGHTS - 2 * VOCABULARY * WIDTH
    assert hydra.shape.parameters == body + (16_000 + VOCABULARY) * WIDTH + 16_000 * WIDTH
    assert hydra.shape.multiplied == body + 16_000 * WIDTH
    assert base.memory().activations == 256 * WIDTH * LAYERS * 59  # the longest pair
    with pytest.raises(UserError) as raised:
        check_trainings(steps(*TRANSLATING))
    assert [line.partition(" needs")[0] for line in str(raised.value).splitlines()] == [
        "base_parft_model",
        "hydra_parft_model",
    ]
    assert "would fit: cluster.gpu=h200 where you have one" in str(raised.value)
