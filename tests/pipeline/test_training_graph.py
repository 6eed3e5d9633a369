"""Which texts trainings are watched on; nothing runs."""

import pytest

from pipeline import graph
from pipeline.config import load_config
from pipeline.curves import pair
from pipeline.curves_graph import curves
from pipeline.sources import current_lock

KEEP = ["mapping=keep", "calibration=none"]


def planned(*overrides):
    config = load_config(["language=dutch", *overrides])
    return {step.name: step for step in graph.adapt(config, current_lock(config))}


def test_with_bitext_its_source_side_is_watched_and_nothing_else_ingested_for_it():
    steps = planned()
    assert steps["adapted_model"].inputs["held_out_source"].inputs == {"bitext": steps["bitext"]}
    assert "replay_corpus" not in steps


@pytest.mark.parametrize("overrides", [["mapping=mean"], ["experiment=mistral_ft_dutch"]])
def test_without_bitext_english_is_watched_that_is_ingested_as_for_replay(overrides):
    steps = planned(*overrides)
    text = steps["adapted_model"].inputs["held_out_source"].inputs["corpus"]
    assert text is steps["replay_corpus"]
    assert text.settings.language.code == "en"
    assert "bitext" not in steps
    tokens = steps["adapted_model"].inputs["tokens"]
    assert tokens.stage.name == "pack_tokens", "it is watched, and not trained on"
    replayed = planned(*overrides, "replay=packaged")
    assert replayed["replay_corpus"].fingerprint == text.fingerprint
    assert replayed["adapted_model"].inputs["held_out_source"].inputs == {"corpus": replayed["replay_corpus"]}
    assert replayed["adapted_model"].inputs["tokens"].inputs["replay"].inputs["corpus"] is replayed["replay_corpus"]


@pytest.mark.parametrize(
    "overrides",
    [["replay.cards=[]"], ["language=english"], ["base_model=tiny_random_encoder", "training.objective=masked"]],
)
def test_where_there_is_no_such_text_or_no_look_none_is_ingested(overrides):
    steps = planned(*KEEP, *overrides)
    assert not {"held_out_source", "replay_corpus"} & steps.keys()


def test_curves_of_a_mapping_without_bitext_watch_both_models_on_english():
    pairings = pair(["language=dutch", "experiment=smoke", "mapping=mean", "curves.replay=[none]", "curves.seeds=[1]"])
    last = curves(pairings[0].config, current_lock(pairings[0].config), pairings)[-1]
    text = last.inputs["held_out_source"]
    assert text.inputs["corpus"].name == "replay_corpus"
    for system in ("adapted", "source_finetuned"):
        assert last.inputs[f"{system}_none_1"].inputs["held_out_source"] is text
