"""Two processes tune as one does, stop at the same step, and leave checkpoints that one can go on from."""

import json
import shutil
import subprocess
import sys

import pytest
from safetensors.torch import load_file
from tuning_case import DPO, LORA, SFT, run_case
from tuning_processes import __file__ as script

from pipeline.stage import CHECKPOINTS

pytestmark = pytest.mark.timeout(900)  # two processes that wait for each other crawl on a busy machine

PREFERRED = DPO | {"epochs": 1}
ADAPTED = DPO | {"epochs": 1, "lora": LORA}


@pytest.fixture(scope="module")
def two(case, sft_inputs, instruct, tmp_path_factory):
    """Tune in two processes all that the tests compare, and return the folder with an output of each."""
    top = tmp_path_factory.mktemp("processes")
    preferences = {"model": instruct[0], "data": case["preferences"], "instructions": case["instructions"]}
    stopped = {"inputs": sft_inputs, "out": top / "stopped", "tuning": SFT}
    cases = [
        {"inputs": sft_inputs, "out": top / "sft", "tuning": SFT},
        {"inputs": preferences, "out": top / "dpo", "tuning": PREFERRED},
        {"inputs": preferences, "out": top / "adapted", "tuning": ADAPTED},
        stopped | {"stop": 3},
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


def test_sft_in_two_is_that_in_one(two, instruct):
    assert_alike(two / "sft", instruct[0])


@pytest.mark.parametrize(("out", "tuning"), [("dpo", PREFERRED), ("adapted", ADAPTED)])
def test_dpo_in_two_is_that_in_one(two, case, instruct, tmp_path, out, tuning):
    inputs = {"model": instruct[0], "data": case["preferences"], "instructions": case["instructions"]}
    run_case(inputs, tmp_path / "one", tuning)
    assert_alike(two / out, tmp_path / "one")


def test_a_signal_to_one_stops_both_and_one_alone_goes_on(two, sft_inputs, instruct, tmp_path):
    told = [(two / f"stopped.{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert "stopped by SIGUSR1 to another process after step 4 of 9" in told[0]
    assert "stopped by SIGUSR1 after step 4 of 9" in told[1]
    shutil.copytree(two / "stopped", tmp_path / "out")
    assert run_case(sft_inputs, tmp_path / "out", SFT)["resumed_at_step"] == 4
    assert_alike(tmp_path / "out", instruct[0])
