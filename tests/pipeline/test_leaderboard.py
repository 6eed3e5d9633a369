"""Who takes part in a leaderboard, in which orders of the text, and what its run holds on to; nothing runs."""

import pytest

from pipeline import runs
from pipeline.config import absent_domain, load_config
from pipeline.errors import UserError
from pipeline.leaderboard import enter, with_seeds
from pipeline.leaderboard_graph import leaderboard
from pipeline.sources import current_lock


def planned(*overrides):
    overrides = ["language=dutch", *overrides]
    config = load_config(overrides)
    entrants = enter(config, overrides)
    return config, entrants, leaderboard(config, current_lock(config), entrants)


def test_common_steps_are_shared_and_every_probe_reads_the_same_text():
    _, _, steps = planned("leaderboard.methods=[mean,trans_tokenize,calibrated]")
    probes = {step.name: step for step in steps if step.stage.name == "probe_initialization"}
    assert set(probes) == {f"probe_{name}_1" for name in ("mean", "trans_tokenize", "calibrated", "source_finetuned")}
    texts = {name: step.inputs["tokens"] for name, step in probes.items()}
    source = texts.pop("probe_source_finetuned_1")
    assert len({step.fingerprint for step in texts.values()}) == 1
    assert source.inputs["match"].fingerprint == texts["probe_mean_1"].fingerprint
    assert len({step.fingerprint for step in steps if step.stage.name == "train_tokenizer"}) == 1
    assert steps[-1].settings.default == "calibrated"


def test_a_run_holds_on_to_every_artifact_though_two_alignments_have_one_name():
    _, _, steps = planned("leaderboard.methods=[trans_tokenize,calibrated]")
    assert len({step.fingerprint for step in steps if step.name == "alignment"}) == 2
    assert {step.fingerprint for step in runs.named(steps).values()} == {step.fingerprint for step in steps}


def test_a_warmed_up_mapping_says_so_and_shares_the_evidence():
    _, _, steps = planned("leaderboard.methods=[calibrated,distilled]")
    models = {step.name: step for step in steps if step.stage.name == "map_embeddings"}
    assert models["model_calibrated"].inputs.keys() == models["model_distilled"].inputs.keys()
    assert len({step.fingerprint for step in steps if step.stage.name == "align_tokens"}) == 1
    made_by = {rival.name: rival.made_by for rival in steps[-1].settings.rivals}
    assert made_by["calibrated"] == "aligned, aligned by eflomal, unigram calibration"
    assert made_by["distilled"] == "aligned, aligned by eflomal, unigram calibration, distill warm-up"


def test_the_best_and_the_default_get_every_seed_and_keep_their_learning_rate():
    methods = "leaderboard.methods=[mean,subtoken_mean,focus,calibrated]"
    config, entrants, _ = planned(methods, "leaderboard.contenders=1")
    names = ("source", "focus", "calibrated", "mean", "subtoken_mean")
    found = {"methods": [{"method": name, "other_domain": None} for name in names]}
    again = with_seeds(entrants, config, found)
    assert {name for name, seeds in again.seeds.items() if len(seeds) == 3} == {"focus", "calibrated"}
    steps = {step.name: step for step in leaderboard(config, current_lock(config), again)}
    assert steps["probe_focus_2"].inputs["chosen"].fingerprint == steps["probe_focus_1"].fingerprint
    assert steps["probe_focus_2"].inputs["tokens"].fingerprint != steps["probe_focus_1"].inputs["tokens"].fingerprint


def test_who_is_first_in_the_other_domain_gets_every_seed_too():
    methods = "leaderboard.methods=[mean,subtoken_mean,focus,calibrated]"
    config, entrants, _ = planned(methods, "leaderboard.contenders=1")
    ends = {"source": 1.0, "calibrated": 2.1, "focus": 2.3, "mean": 2.0, "subtoken_mean": 2.2}
    found = {"methods": [{"method": name, "other_domain": {"end": end}} for name, end in ends.items()]}
    again = with_seeds(entrants, config, found)
    assert {name for name, seeds in again.seeds.items() if len(seeds) == 3} == {"calibrated", "mean"}
    none = load_config(["language=dutch", "leaderboard.contenders=0"])
    assert all(len(seeds) == 1 for seeds in with_seeds(entrants, none, found).seeds.values())


def test_a_method_that_lacks_something_is_left_out_with_the_reason():
    config = load_config(["language=tatar"])
    entrants = enter(config, ["language=tatar"])
    assert "wechsel" not in entrants.rivals
    assert "needs a dictionary: give dictionary=file" in entrants.left_out["wechsel"]
    only = ["language=tatar", "leaderboard.methods=[wechsel]"]
    config = load_config(only)
    with pytest.raises(UserError, match="needs a dictionary"):
        enter(config, only)


def test_a_misspelt_method_is_no_method_that_lacks_something():
    given = ["language=dutch", "leaderboard.methods=[calibrated,subtoken_meen]"]
    config = load_config(given)
    with pytest.raises(UserError, match="Did you mean 'subtoken_mean'"):
        enter(config, given)


def test_another_domain_is_left_out_where_its_file_is_not_there(tmp_path):
    given = ["language=frisian", "leaderboard.other_domain={path: nowhere.txt, sha256: null, lines: all}"]
    assert load_config(given).leaderboard.other_domain is None
    assert "there is no nowhere.txt (docs/sources.md, Test sets)" in absent_domain(given)
    assert "names no file" in absent_domain([*given[:1], "leaderboard.other_domain=null"])
    (tmp_path / "lines.txt").write_text("een huis\n")
    given[1] = f"leaderboard.other_domain={{path: {tmp_path / 'lines.txt'}, sha256: null, lines: all}}"
    assert load_config(given).leaderboard.other_domain.lines == "all"
