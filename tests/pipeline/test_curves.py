"""What `make curves` plans: both models on the same text, watched on the same texts, in each order; nothing runs."""

import pytest

from pipeline import graph
from pipeline.curves import pair, with_config
from pipeline.curves_graph import curves
from pipeline.errors import UserError
from pipeline.sources import current_lock

SMOKE = ["language=dutch", "experiment=smoke", "machine.tracking=false"]


def planned(*overrides):
    pairings = pair([*SMOKE, *overrides])
    return pairings, curves(pairings[0].config, current_lock(pairings[0].config), pairings)


def test_both_models_read_the_same_text_and_are_watched_on_the_same_texts(tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("een huis\n", encoding="utf-8")
    pairings, steps = planned(f"leaderboard.other_domain={{path: {lines}, sha256: null, lines: all}}")
    last = steps[-1]
    trained = {name: step for name, step in last.inputs.items() if step.stage.name == "continue_pretraining"}
    names = [f"{replay}_{seed}" for replay in ("none", "tests") for seed in (1, 2)]
    assert set(trained) == {f"{system}_{name}" for system in ("adapted", "source_finetuned") for name in names}
    assert len({step.fingerprint for step in trained.values()}) == len(trained)
    for name in names:
        ours, theirs = (trained[f"{system}_{name}"].inputs for system in ("adapted", "source_finetuned"))
        assert theirs["tokens"].inputs["match"] is ours["tokens"]
        assert last.inputs[f"tokens_adapted_{name}"] is ours["tokens"]
    watched = {name: step.fingerprint for name, step in last.inputs.items() if name.startswith("held_out_")}
    assert set(watched) == {"held_out_target", "held_out_source", "held_out_other"}
    for step in trained.values():
        assert watched.items() <= {name: text.fingerprint for name, text in step.inputs.items()}.items()
    assert not [step for step in steps if step.name in ("random_model", "report")]
    assert [variant.share for variant in last.settings.variants] == [0.0, 0.25]
    owners = {step.name: config for step, config in with_config(steps, pairings)}
    assert owners["model_source_finetuned_tests_2"] is pairings[-1].config


def test_what_curves_watch_leaves_the_adaptation_as_it_was():
    pairings, steps = planned("curves.seeds=[1]", "curves.replay=[none]", "leaderboard.other_domain.path=null")
    config = pairings[0].config
    adaptation = {step.name: step for step in graph.adapt(config, current_lock(config))}
    # Without another domain the adapted model is the very one; the source model is watched in English too.
    assert steps[-1].inputs["adapted_none_1"].fingerprint == adaptation["adapted_model"].fingerprint
    source = steps[-1].inputs["source_finetuned_none_1"]
    assert source.inputs.keys() - adaptation["source_finetuned_model"].inputs.keys() == {"held_out_source"}


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["mapping=keep", "calibration=none"], "curves compare two tokenizers, and mapping=keep has one"),
        (["training.watch=null"], "training.watch=null looks at none"),
        (["curves.replay=[none,packed]"], "Did you mean 'packaged'"),
        (["curves.seeds=[]"], "curves.seeds"),
    ],
)
def test_what_cannot_be_compared_is_told(overrides, told):
    with pytest.raises(UserError, match=told.replace(".", r"\.")):
        pair([*SMOKE, *overrides])


@pytest.mark.parametrize("experiment", ["curves_dutch", "curves_dutch_gpu"])
def test_the_experiments_have_a_constant_rate_and_replay_as_well(experiment):
    pairings = pair(["language=dutch", f"experiment={experiment}", "curves.seeds=[1]"])
    assert [pairing.name for pairing in pairings] == ["none_1", "packaged_1"]
    assert {pairing.config.training.schedule for pairing in pairings} == {"constant"}
    last = curves(pairings[0].config, current_lock(pairings[0].config), pairings)[-1]
    assert "held_out_source" in last.inputs
