"""Whether trainings fit, told before anything runs."""

from functools import cache
from math import ceil

import pytest

from pipeline import commands, graph
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.gpu_memory import check_trainings
from pipeline.plan_table import time_words
from pipeline.sources import current_lock
from pipeline.training_plan import plan_training, planned_rate

FULL_7B = ["language=dutch", "base_model=llama2_7b", "training.precision=bfloat16", "evaluation.baselines=[]"]


@cache
def planned(*overrides):
    config = load_config([*FULL_7B, *overrides])
    return [(step, config) for step in graph.adapt(config, current_lock(config))]


def with_gpu(steps, name):
    return [
        (step, config.model_copy(update={"cluster": config.cluster.model_copy(update={"gpu": name})}))
        for step, config in steps
    ]


def test_all_of_7b_on_one_gpu_of_80_gb_is_refused_with_what_would_fit():
    steps = planned("cluster=one_gpu", "cluster.gpu=h100", "training.global_batch=8")
    with pytest.raises(UserError) as raised:
        check_trainings(steps)
    (line,) = str(raised.value).splitlines()
    assert "adapted_model needs about " in line
    assert "cluster.gpu=h100 has 80.0 GB" in line
    assert "cluster=multi_gpu cluster.sharding=full cluster.processes=2" in line
    assert "train: 2x2" in line
    check_trainings(with_gpu(steps, None))


def refused(*overrides):
    with pytest.raises(UserError) as raised:
        check_trainings([adapted("cluster.gpu=h100", *overrides)])
    return str(raised.value).partition("what would fit: ")[2].split("; or ")


def test_a_remedy_is_the_smallest_change_and_names_nothing_that_is_chosen():
    staged = refused("training=tweety_two_stage", "cluster.micro_batch=32")
    assert [way.partition(" (")[0] for way in staged] == [
        "cluster.micro_batch=16",
        "cluster=multi_gpu cluster.sharding=full cluster.processes=2",
        "cluster.gpu=h200 where you have one",
    ]
    long = ("training.sequence_length=4096", "training.global_batch=64", "cluster.micro_batch=8")
    checkpointed = refused(*long, "cluster.activation_checkpointing=true")
    assert [way.partition(" (")[0] for way in checkpointed] == [
        "cluster=multi_gpu cluster.sharding=full cluster.processes=2 cluster.micro_batch=4",
        "training.phases with at most `train: 2x2`, as in training=tweety_two_stage",
        "cluster.gpu=h200 cluster.micro_batch=4 where you have one",
    ]
    # Two GPUs share it already, with all that spares memory: more of them are left.
    shared = (
        "cluster=multi_gpu",
        "cluster.sharding=full",
        "cluster.processes=2",
        "cluster.activation_checkpointing=true",
    )
    longer = (
        "training.sequence_length=16384",
        "base_model.max_positions=null",
        "training.global_batch=64",
        "tokenizer.vocabulary_size=128000",
    )
    assert refused(*shared, *longer)[0].startswith("cluster.processes=4 (")


def test_what_a_remedy_names_fits():
    sizes = ("training.sequence_length=2048", "training.global_batch=64", "cluster.micro_batch=16")
    for way in refused(*sizes):
        settings = [word for word in way.split() if word.startswith(("cluster=", "cluster."))]
        if "training.phases" not in way:
            check_trainings([adapted("cluster.gpu=h100", *sizes, *settings)])


def test_what_fits_is_not_refused_and_the_rate_is_that_of_the_gpu():
    steps = planned("cluster=one_gpu", "training=tweety_two_stage")
    check_trainings(steps)
    (training,) = (place for place, (step, _) in enumerate(steps) if step.name == "adapted_model")
    plan = plan_training(*steps[training])
    assert plan.tokens == pytest.approx(106_500_000)
    assert plan.most == "2x2"
    assert not plan.shape.tied
    a100, h100 = (planned_rate(*with_gpu(steps, name)[training]) for name in ("a100", "h100"))
    assert 1 < h100 / a100 < 989 / 312
    assert planned_rate(*with_gpu(steps, None)[training]) is None


def adapted(*overrides):
    return next(
        (step, config)
        for step, config in planned("cluster=one_gpu", "cluster.micro_batch=1", *overrides)
        if step.name == "adapted_model"
    )


def test_optimizers_and_adapters_are_planned_as_what_they_hold():
    full, small, muon = (plan_training(*adapted(f"optimizer={name}")) for name in ("adamw", "adamw_8bit", "muon"))
    assert small.memory().optimizer < 0.3 * full.memory().optimizer
    assert 0.5 < muon.memory().optimizer / full.memory().optimizer < 0.6
    with_tables = plan_training(*adapted("adapter=lora"))
    assert [train for train, _ in with_tables.phases] == ["embeddings", "lora"]
    assert with_tables.most == "lora"  # as many weights, and more that is kept for the backward pass
    phase = "{name: all, share: 1, train: all, learning_rate: 0.0001, embedding_learning_rate: 0}"
    alone = plan_training(*adapted("adapter=lora", "training.adapter.embeddings=false", f"training.phases=[{phase}]"))
    assert alone.memory().gradients == alone.memory().optimizer == 0


def test_what_cannot_be_shared_is_told_before_anything_runs():
    both = ("cluster=multi_gpu", "cluster.sharding=full", "cluster.processes=2")
    steps = [adapted("optimizer=muon", *both, "cluster.gpu=null")]
    with pytest.raises(
        UserError, match=r"adapted_model: cluster\.sharding=full does not go with training\.optimizer=muon"
    ):
        check_trainings(steps)
    check_trainings([adapted("optimizer=muon", "cluster.sharding=full", "cluster.gpu=h200")])  # one shares with nobody
    with pytest.raises(UserError, match="adapted_model needs about") as raised:
        check_trainings([adapted("optimizer=muon")])
    assert "sharding" not in str(raised.value)


@pytest.mark.parametrize("recipe", ["tweety_dutch", "tweety_italian", "mistral_ft_dutch", "tweety_dutch_instruct"])
def test_one_gpu_takes_no_recipe_for_eight(recipe):
    chosen = ["language=dutch", f"experiment={recipe}"]
    with pytest.raises(UserError, match=r"cluster=one_gpu is one GPU, but cluster\.processes=8 .*cluster=multi_gpu"):
        load_config([*chosen, "cluster=one_gpu"])
    for remedy in (["cluster=one_gpu", "cluster.processes=1"], ["cluster=multi_gpu"], ["cluster=slurm"]):
        load_config([*chosen, *remedy])


def test_a_job_with_too_little_main_memory_for_checkpoints_is_refused():
    # Of all weights 4 bytes, and 8 of moments: gathered together where they are shared, else one file at a time.
    every = "{name: all, share: 1, train: all, learning_rate: 0.0001, embedding_learning_rate: 0.0001}"
    whole = (
        "cluster=slurm",
        "cluster.gpu=null",
        f"training.phases=[{every}]",
        "mapping=keep",
        "training.global_batch=8",
    )
    weights, own = 6.738_415_616, 3
    cases = (
        (("cluster.sharding=full", "cluster.processes=2"), 12 * weights + 2 * own, 2),
        (("cluster.processes=2",), 8 * weights + 2 * own, 2),  # as much as two processes that read the model
        (("cluster.processes=1",), 8 * weights + own, 1),
        (("cluster.sharding=full", "cluster.processes=8", "cluster.slurm.nodes=4"), 12 * weights + 2 * own, 2),
    )
    for chosen, needed, here in cases:
        enough = ceil(needed * 1e9 / here / 2**30)
        check_trainings(planned(*whole, *chosen, f"cluster.slurm.gpu.memory_gb={enough}"))
        with pytest.raises(UserError) as raised:
            check_trainings(planned(*whole, *chosen, f"cluster.slurm.gpu.memory_gb={enough - 1}"))
        assert f"adapted_model needs about {needed:.1f} GB of a node's main memory when it writes" in str(raised.value)
        assert f"give cluster.slurm.gpu.memory_gb={enough}, for each GPU" in str(raised.value)
    check_trainings(planned(*whole, "cluster.processes=1", "cluster.slurm.gpu.memory_gb=null"))
    with pytest.raises(UserError, match=r"when it reads the model.* give cluster\.slurm\.gpu\.memory_gb=28"):
        check_trainings(
            planned("cluster=slurm", "training=tweety_two_stage", "mapping=keep", "cluster.slurm.gpu.memory_gb=20")
        )


def test_a_kept_tokenizer_is_planned_with_its_own_rows():
    kept = plan_training(*adapted("mapping=keep", "calibration=none"))
    assert kept.shape.table == 32_000 * 4_096


def test_a_gpu_that_nobody_knows_is_named():
    with pytest.raises(UserError, match=r"unknown GPU \(cluster\.gpu\) 'h10'\. .*Available: a100, h100, h200"):
        load_config(["language=dutch", "cluster=one_gpu", "cluster.gpu=h10"])


def test_the_plan_shows_what_trainings_cost(tmp_path, capsys):
    more = ["tuning=sft", "instructions=tests", "heads=hydra"]
    commands.plan(["language=dutch", "experiment=smoke", *more, f"machine.artifacts={tmp_path}"], False)
    shown = capsys.readouterr().out
    assert "h200 hours" in shown
    for name in ("adapted_model", "instruct_model", "hydra_parft_model"):
        assert f"{name}, GB on one GPU: weights 0.0" in shown


def test_a_long_time_is_told_in_days():
    words = [time_words(seconds) for seconds in (42, 7_200, 2 * 86_400, 45 * 86_400)]
    assert words == ["42 s", "120 min", "2880 min", "45.0 days"]


def test_batches_that_the_processes_cannot_share_are_told_before_anything_runs():
    shared = (
        "cluster=multi_gpu",
        "cluster.gpu=null",
        "training.global_batch=12",
        "tuning=sft",
        "instructions=packaged",
    )
    with pytest.raises(UserError) as raised:
        check_trainings(planned(*shared))
    first, second = str(raised.value).splitlines()
    assert first.startswith("adapted_model: training.global_batch=12 cannot be shared by 8 processes")
    assert second.startswith("instruct_model: tuning.sft.global_batch=4 cannot be shared by 8 processes")
    check_trainings(planned(*shared, "cluster.processes=4", "cluster.micro_batch=3"))
