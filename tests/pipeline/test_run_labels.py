"""What Weights & Biases is told of a training: what it was made of, and what it belongs to; nothing runs."""

import json

import pytest

from pipeline import graph
from pipeline.config import load_config
from pipeline.curves import pair
from pipeline.curves_graph import curves
from pipeline.plan import step_file
from pipeline.run_labels import GROUP_LENGTH, group_name, tracked, with_group
from pipeline.runner import prepare_step
from pipeline.sources import current_lock

SMOKE = ["language=dutch", "experiment=smoke"]


def planned(*overrides):
    config = load_config([*SMOKE, *overrides])
    return config, {step.name: step for step in graph.adapt(config, current_lock(config))}


def labels(step):
    return tracked(step, {})["tracking_labels"]


def test_each_training_is_labelled_with_what_it_was_made_of():
    _, steps = planned("replay=tests", "replay.share=0.25", "mapping=trans_tokenize", "alignment=fast_align")
    adapted, source = steps["adapted_model"], steps["source_finetuned_model"]
    assert labels(adapted) == {
        "language": "dutch",
        "role": "adapted_model",
        "base_model": "tiny-random",
        "tokenizer": "sentencepiece",
        "vocabulary_size": 1500,
        "mapping": "trans_tokenize",
        "calibration": "none",
        "alignment": "fast_align",
        "corpus": ["sample_text"],
        "replay": 0.25,
        "replay_corpus": ["sample_text"],
        "inputs": {name: step.folder.name for name, step in adapted.inputs.items()},
    }
    same = ("language", "base_model", "corpus", "replay", "replay_corpus")
    assert {name: labels(source)[name] for name in same} == {name: labels(adapted)[name] for name in same}
    assert (labels(source)["mapping"], labels(source)["tokenizer"]) == ("keep", "keep")
    assert tracked(source, {})["tracking_name"] == f"dutch source_finetuned_model {source.fingerprint[:6]}"
    assert labels(steps["tokenizer"]) == {}


@pytest.mark.parametrize("overrides", [["mapping=mean"], ["mapping=keep", "calibration=none"], ["mapping=focus"]])
def test_tunings_too_and_whatever_the_mapping(overrides):
    config, steps = planned("tuning=sft_dpo", "instructions=tests", *overrides)
    for name in ("instruct_model", "preferred_model"):
        found, before = labels(steps[name]), labels(steps["adapted_model"])
        assert found["mapping"] == config.mapping.method
        assert found["role"] == name
        same = found.keys() - {"role", "inputs"}
        assert {key: found[key] for key in same} == {key: before[key] for key in same}


def test_of_a_comparison_each_training_has_its_own_replay():
    pairings = pair(SMOKE)
    last = curves(pairings[0].config, current_lock(pairings[0].config), pairings)[-1]
    assert [labels(last.inputs[f"adapted_{name}"])["replay"] for name in ("none_1", "tests_1")] == [0.0, 0.25]


def test_all_trainings_of_a_command_are_one_group_whatever_the_machine(tmp_path):
    given = [*SMOKE, "mapping=mean,random", f"machine.artifacts={tmp_path}", "+run.labels.purpose=ablation"]
    configs = [load_config([*given[:2], f"mapping={name}", *given[3:]]) for name in ("mean", "random")]
    plan = graph.adapt(configs[1], current_lock(configs[1]))
    config = with_group(configs, plan[-1], given)
    adapted = next(step for step in plan if step.name == "adapted_model")
    prepare_step(adapted, config)
    told = json.loads((adapted.work / "step.json").read_text())["execution"]
    assert told["tracking_group"] == "dutch report experiment=smoke mapping=mean,random"
    assert told["tracking_id"] == adapted.folder.name
    found = told["tracking_labels"]
    assert (found["experiment"], found["purpose"], found["mapping"]) == ("smoke", "ablation", "random")


def test_a_group_may_be_given_and_is_no_part_of_what_is_made():
    (config, steps), (_, unnamed) = planned("run.group=mine"), planned()
    last = steps["report"]
    assert with_group([config], last, [*SMOKE, "mapping=mean"]).run.group == "mine"
    assert last.fingerprint == unnamed["report"].fingerprint
    assert "tracking_group" not in step_file(last, config.execution(), 1, 1)["recipe"]


def test_what_is_swept_over_is_no_label_and_long_groups_stay_apart():
    config, steps = planned()
    swept = with_group([config], steps["report"], ["language=dutch", "experiment=smoke,tweety_dutch"])
    assert swept.run.labels == {}
    long = [group_name(["dutch", "report"], ["mapping=" + "mean," * 40 + end]) for end in ("mean", "random")]
    assert len(set(long)) == 2
    assert {len(name) for name in long} == {GROUP_LENGTH}
