"""Two processes tune as one does, each with the model or sharing it, and stop at the same step to be gone on with."""

import json
import shutil
import subprocess
import sys

import pytest
from safetensors.torch import load_file
from tuning_case import DPO, LORA, SFT, make_bare_model, run_case
from tuning_processes import __file__ as script

from pipeline.errors import UserError
from pipeline.stage import CHECKPOINTS
from stages.tune_instructions import processes

pytestmark = pytest.mark.timeout(900)  # two processes that wait for each other crawl on a busy machine

PREFERRED = DPO | {"epochs": 1}
ADAPTED = DPO | {"epochs": 1, "lora": LORA}
ROUNDED = SFT | {"epochs": 1, "precision": "bfloat16", "gradient_checkpointing": True}
MARKED = SFT | {"epochs": 1, "chat_template": "chatml", "lora": LORA}
SHARDED = {"execution": {"sharding": "full"}}
ACCUMULATED = {"execution": {"sharding": "full", "micro_batch": 1}}


@pytest.fixture(scope="module")
def two(case, sft_inputs, instruct, tmp_path_factory):
    """Tune in two processes all that the tests compare, and return the folder with an output of each."""
    top = tmp_path_factory.mktemp("processes")
    preferences = {"model": instruct[0], "data": case["preferences"], "instructions": case["instructions"]}
    bare = {**sft_inputs, "model": make_bare_model(top / "model", tied=True)}
    stopped = {"inputs": sft_inputs, "out": top / "stopped", "tuning": SFT}
    cases = [
        {"inputs": sft_inputs, "out": top / "sft", "tuning": SFT},
        {"inputs": preferences, "out": top / "dpo", "tuning": PREFERRED},
        {"inputs": preferences, "out": top / "adapted", "tuning": ADAPTED},
        {"inputs": bare, "out": top / "marked", "tuning": MARKED},
        stopped | {"stop": 3},
        {"inputs": sft_inputs, "out": top / "sharded_sft", "tuning": SFT} | ACCUMULATED,
        {"inputs": preferences, "out": top / "sharded_dpo", "tuning": PREFERRED} | SHARDED,
        {"inputs": sft_inputs, "out": top / "sharded_rounded", "tuning": ROUNDED} | SHARDED,
        {"inputs": sft_inputs, "out": top / "sharded_stopped", "tuning": SFT, "stop": 3} | SHARDED,
        {"inputs": sft_inputs, "out": top / "left", "tuning": SFT, "stop": 3} | SHARDED,
        {"inputs": sft_inputs, "out": top / "sharded_stopped", "tuning": SFT} | SHARDED,
    ]
    (top / "cases.json").write_text(json.dumps(cases, default=str), encoding="utf-8")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run([sys.executable, *launcher, script, str(top / "cases.json")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return top


def column(folder, name):
    return [json.loads(line)[name] for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def assert_alike(ours, theirs):
    for name in ("loss", "grad_norm", "learning_rate"):
        assert column(ours, name) == pytest.approx(column(theirs, name), abs=1e-5), name
    assert column(ours, "tokens") == column(theirs, "tokens")
    first, second = (load_file(folder / "model.safetensors") for folder in (ours, theirs))
    assert max(float((first[name] - second[name]).abs().max()) for name in second) < 1e-4
    made = [{path.name for path in folder.iterdir()} - {CHECKPOINTS} for folder in (ours, theirs)]
    assert made[0] == made[1]
    assert (ours / "answers.json").read_text(encoding="utf-8") == (theirs / "answers.json").read_text(encoding="utf-8")
    told = [json.loads((folder / "tuning.json").read_text(encoding="utf-8")) for folder in (ours, theirs)]
    assert told[0]["held_out"] == pytest.approx(told[1]["held_out"], abs=1e-4)


@pytest.mark.parametrize("out", ["sft", "sharded_sft", "sharded_stopped"])
def test_sft_in_two_is_that_in_one(two, instruct, out):
    assert_alike(two / out, instruct[0])


@pytest.mark.parametrize(("outs", "tuning"), [(["dpo", "sharded_dpo"], PREFERRED), (["adapted"], ADAPTED)])
def test_dpo_in_two_is_that_in_one(two, case, instruct, tmp_path, outs, tuning):
    inputs = {"model": instruct[0], "data": case["preferences"], "instructions": case["instructions"]}
    run_case(inputs, tmp_path / "one", tuning)
    for out in outs:
        assert_alike(two / out, tmp_path / "one")


def test_rows_of_new_markers_are_trained_in_two_as_in_one(two, sft_inputs, tmp_path):
    run_case({**sft_inputs, "model": two / "model"}, tmp_path / "one", MARKED)
    assert_alike(two / "marked", tmp_path / "one")


@pytest.mark.usefixtures("fresh_accelerator")
def test_with_rounded_products_the_sharded_model_is_close_too(two, sft_inputs, tmp_path):
    run_case(sft_inputs, tmp_path / "one", ROUNDED)
    assert column(two / "sharded_rounded", "loss") == pytest.approx(column(tmp_path / "one", "loss"), abs=0.01)


def test_a_signal_to_one_stops_both_and_one_alone_goes_on(two, sft_inputs, instruct, tmp_path):
    told = [(two / f"stopped.{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert "stopped by SIGUSR1 to another process after step 4 of 9" in told[0]
    assert "stopped by SIGUSR1 after step 4 of 9" in told[1]
    shutil.copytree(two / "stopped", tmp_path / "out")
    assert run_case(sft_inputs, tmp_path / "out", SFT)["resumed_at_step"] == 4
    assert_alike(tmp_path / "out", instruct[0])


def test_what_was_tuned_sharded_does_not_go_on_unsharded(two, sft_inputs):
    told = r"checkpoint-4 the model is shared by its processes; go on with cluster.sharding=full and several processes"
    with pytest.raises(UserError, match=told):
        run_case(sft_inputs, two / "left", SFT)


def test_sharding_is_refused_where_accelerate_has_none(sft_inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "get_int_from_env", lambda names, default: 2)
    with pytest.raises(UserError, match=r"shares its model among GPUs only; give cluster.sharding=none"):
        run_case(sft_inputs, tmp_path / "out", SFT, {"sharding": "full"})
