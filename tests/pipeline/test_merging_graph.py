"""What `merging=late` adds to a plan."""

import pytest

from pipeline import graph
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.sources import current_lock

TATAR = ["language=tatar", "experiment=smoke"]


def planned(*overrides):
    config = load_config([*TATAR, *overrides])
    return {step.name: step for step in graph.adapt(config, current_lock(config))}


def test_a_model_from_each_language_alone_is_trained_on_the_same_text_and_merged():
    late, early, alone = planned("pivots=packaged", "merging=late"), planned("pivots=packaged"), planned()
    added = {f"{kind}_{code}" for kind in ("initialized_model", "adapted_model") for code in ("en", "ru")}
    assert set(late) - set(early) == {*added, "merged_model", "evaluation_merged"}
    assert all(late[name].fingerprint == step.fingerprint for name, step in early.items() if name != "report")
    # The model from the bitext alone is that of a run without pivots, and made once for both.
    assert late["adapted_model_en"].fingerprint == alone["adapted_model"].fingerprint
    assert late["initialized_model_ru"].inputs["alignment"] is late["alignment_ru"]
    assert "alignment_ru" not in late["initialized_model_ru"].inputs
    models = [late[f"adapted_model_{code}"] for code in ("en", "ru")]
    assert models[0].inputs["tokens"] is models[1].inputs["tokens"] is late["adapted_model"].inputs["tokens"]
    assert [late["merged_model"].inputs[role] for role in ("model", "other")] == models
    assert late["evaluation_merged"].inputs["model"] is late["merged_model"]
    assert late["report"].settings.systems[-1] == "merged"


@pytest.mark.parametrize(
    "overrides", [["merging=late"], ["pivots=packaged", "merging=late", "mapping=mean", "calibration=none"]]
)
def test_without_two_languages_there_is_nothing_to_merge(overrides):
    with pytest.raises(UserError, match="merging=late merges two models"):
        load_config([*TATAR, *overrides])
