"""`make train` plans what the adapted model needs, and nothing more."""

from pipeline import graph
from pipeline.__main__ import main
from pipeline.config import load_config
from pipeline.sources import current_lock
from pipeline.train import plan_training


def test_only_what_the_adapted_model_needs_is_planned(tmp_path):
    config = load_config(["language=dutch", "experiment=smoke", f"machine.artifacts={tmp_path}"])
    steps = plan_training(config, current_lock(config))
    whole = {step.name: step.fingerprint for step in graph.adapt(config, current_lock(config))}
    assert steps[-1].name == "adapted_model"
    assert {step.name: step.fingerprint for step in steps}.items() <= whole.items()
    made = {step.fingerprint for step in steps}
    needed = {other.fingerprint for step in steps for other in step.inputs.values()} | {steps[-1].fingerprint}
    assert made == needed


def test_the_plan_alone_runs_nothing(tmp_path, capsys):
    assert main(["train", "--plan", "language=dutch", "experiment=smoke", f"machine.artifacts={tmp_path}"]) == 0
    assert "adapted_model" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_the_baseline_is_shared_by_mappings_with_and_without_bitext(tmp_path):
    names = ["language=dutch", "experiment=smoke", f"machine.artifacts={tmp_path}"]
    plans = []
    for mapping in ("mean", "calibrated"):
        config = load_config([*names, f"mapping={mapping}"])
        plans.append({step.name: step.fingerprint for step in graph.adapt(config, current_lock(config))})
    assert plans[0]["source_finetuned_model"] == plans[1]["source_finetuned_model"]
    assert plans[0]["adapted_model"] != plans[1]["adapted_model"]
