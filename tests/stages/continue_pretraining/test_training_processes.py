"""Two processes on a CPU train as one does."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from execution_here import here
from safetensors.torch import load_file
from training_case import __file__ as script
from training_case import hashes, losses, run_case

from pipeline.errors import UserError
from stages.shared.training.setup import check_gpus, make_accelerator


def launch(out: Path, case: dict, *launcher: str) -> subprocess.CompletedProcess:
    (out.parent / "case.json").write_text(json.dumps(case, default=str))
    command = [sys.executable, *launcher, script, str(out), str(out.parent / "case.json")]
    return subprocess.run(command, capture_output=True, text=True)


def test_two_gloo_processes_give_the_losses_of_one(tiny_model, tiny_tokens, tmp_path):
    # 500 tokens are 63 sequences of 8: in the last step the second process has one, and the first two.
    training = {"global_batch": 4}
    (tmp_path / "two" / "checkpoints" / "step-00000001").mkdir(parents=True)
    case = {"model": tiny_model, "tokens": tiny_tokens, "execution": {"micro_batch": 1}, "training": training}
    done = launch(tmp_path / "two", case, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("is torn") == 1, "the first process alone looks for a checkpoint to go on from"
    run_case(tiny_model, tiny_tokens, tmp_path / "one", **training)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-4
    assert hashes(tmp_path / "one").keys() == hashes(tmp_path / "two").keys()


def test_processes_that_did_not_join_are_noticed(tiny_model, tiny_tokens, tmp_path, monkeypatch):
    from stages.shared.training import setup

    monkeypatch.setattr(setup, "get_int_from_env", lambda names, default: 2)
    with pytest.raises(UserError, match="2 processes were started, but 1 joined"):
        run_case(tiny_model, tiny_tokens, tmp_path / "out")


def test_processes_wait_while_the_first_one_writes_a_large_checkpoint():
    joining = make_accelerator("float32", 1, here()).init_handler
    assert joining.timeout >= timedelta(hours=1)


def test_more_processes_than_gpus_are_refused_before_they_join():
    with pytest.raises(UserError, match=r"8 processes were started here.* torch sees 1; give cluster\.processes=1 "):
        check_gpus(8, 1)
    with pytest.raises(UserError, match="torch sees no GPU"):
        check_gpus(1, 0)
    check_gpus(4, 8)


def test_a_batch_that_two_processes_cannot_share_is_refused():
    from stages.shared.training.share import make_share

    with pytest.raises(UserError, match="global_batch=3 cannot be shared by 2"):
        make_share(3, 1, 0, 2)
