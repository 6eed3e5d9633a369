"""Killed, stopped and torn trainings end as if nothing had happened."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from training_case import child, hashes, run_case, signalling

from pipeline.errors import OutOfTime, UserError
from stages.continue_pretraining import loop
from stages.shared.interruption import SIGNALS
from stages.shared.training.step import take_step

LONG = {"sequence_length": 4, "global_batch": 2}
EVERY_STEP = {"checkpoint_seconds": 0.0}


@pytest.fixture(scope="module")
def start():
    """Return a function that starts a training in a process of its own, torch already loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training_case", "transformers.models.llama.modeling_llama"])

    def begin(*arguments):
        process = context.Process(target=child, args=arguments)
        process.start()
        return process

    return begin


@pytest.fixture(scope="module")
def uninterrupted(tiny_model, tiny_tokens, tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted") / "out"
    run_case(tiny_model, tiny_tokens, out, **LONG)
    return hashes(out)


def test_killed_at_any_moment_it_ends_with_the_same_bytes(start, tiny_model, tiny_tokens, tmp_path, uninterrupted):
    out, log, moments = tmp_path / "out", tmp_path / "log", random.Random(7)
    arguments = (tiny_model, tiny_tokens, out, EVERY_STEP, log, LONG)
    process = start(*arguments)
    while not list(out.glob("checkpoints/step-*")):
        assert process.is_alive(), log.read_text()
        time.sleep(0.01)
    for _ in range(5):
        time.sleep(moments.uniform(0, 0.15))
        if not process.is_alive():  # on a busy machine this one may have slept through the rest of the training
            break
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL, log.read_text()[-500:]
        before = log.read_text().count("going on after step")
        process = start(*arguments)
        while log.read_text().count("going on after step") == before and process.is_alive():
            time.sleep(0.01)
    process.join()
    assert process.exitcode == 0, log.read_text()
    assert hashes(out) == uninterrupted


def test_checkpoints_keep_the_pause_that_what_one_takes_asks_for(tiny_model, tiny_tokens, tmp_path):
    rarely = EVERY_STEP | {"checkpoint_pause_factor": 1e9, "kept_checkpoints": 9}
    run_case(tiny_model, tiny_tokens, tmp_path / "out", rarely)
    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == ["step-00000001"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_says_so(start, tiny_model, tiny_tokens, tmp_path, uninterrupted, number):
    out, log = tmp_path / "out", tmp_path / "log"
    process = start(tiny_model, tiny_tokens, out, {}, log, LONG)
    while not (log.exists() and "training:" in log.read_text()):
        assert process.is_alive()
        time.sleep(0.01)
    time.sleep(0.05)
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 3, log.read_text()
    assert f"stopped by {number.name} after step" in log.read_text()
    metrics = run_case(tiny_model, tiny_tokens, out, **LONG)
    assert 0 < metrics["resumed_at_step"] < metrics["steps"]
    assert hashes(out) == uninterrupted


@pytest.fixture(scope="module")
def whole(tiny_model, tiny_tokens, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    run_case(tiny_model, tiny_tokens, out)
    return hashes(out)


@given(step=st.integers(1, 15), number=st.sampled_from(SIGNALS))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stopped_after_any_step_it_ends_with_the_same_bytes(tiny_model, tiny_tokens, whole, step, number):
    handler = signal.getsignal(number)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "take_step", signalling(number, step))
        with pytest.raises(
            OutOfTime if number == signal.SIGUSR1 else UserError, match=f"{number.name} after step {step}"
        ):
            run_case(tiny_model, tiny_tokens, Path(folder))
        patch.undo()
        signal.signal(number, handler)  # a process whose time is up ignores SIGUSR1 from then on, as it is to end
        assert run_case(tiny_model, tiny_tokens, Path(folder))["resumed_at_step"] == step
        assert hashes(Path(folder)) == whole


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "state.json", "sha256.json"])
@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
def test_a_torn_checkpoint_is_passed_over(
    halfway, tiny_model, tiny_tokens, tmp_path, uninterrupted, capsys, name, damage
):
    out = tmp_path / "out"
    shutil.copytree(halfway, out)
    older, newer = sorted((out / "checkpoints").iterdir())
    content = (newer / name).read_bytes()
    (newer / name).unlink()
    if damage == "truncated":
        (newer / name).write_bytes(content[: len(content) // 2])
    if damage == "changed":
        middle = len(content) // 2
        (newer / name).write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    metrics = run_case(tiny_model, tiny_tokens, out, **LONG)
    assert f"{newer} is torn" in capsys.readouterr().err
    assert metrics["resumed_at_step"] == int(older.name.removeprefix("step-"))
    assert hashes(out) == uninterrupted


@pytest.fixture(scope="module")
def halfway(tiny_model, tiny_tokens, tmp_path_factory):
    """Return the folder of a training that ran out of finite losses half-way, with its two checkpoints."""
    out = tmp_path_factory.mktemp("halfway") / "out"

    def stop_half_way(training, module, weights, step, most_loss):
        if step == 50:
            raise KeyboardInterrupt
        return take_step(training, module, weights, step, most_loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "take_step", stop_half_way)
        with pytest.raises(KeyboardInterrupt):
            run_case(tiny_model, tiny_tokens, out, EVERY_STEP, **LONG)
    assert [path.name for path in sorted((out / "checkpoints").iterdir())] == ["step-00000049", "step-00000050"]
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 50
    assert json.loads((out / "checkpoints" / "step-00000050" / "state.json").read_text())["step"] == 50
    return out
