"""Steps with a loss far above those before are left out; too many in a row end the training."""

import json
import math
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from training_case import PHASES, hashes, make_tokens, run_case, signalling

from pipeline.config import load_config
from pipeline.errors import UserError
from stages.continue_pretraining import loop
from stages.continue_pretraining.spikes import highest_loss, remember
from stages.shared.training.watching import SpikeSettings

LEARNT = {"phases": [PHASES[1] | {"share": 1.0}], "schedule": "constant", "validation_tokens": 0}
SPIKES = {"deviations": 6.0, "window_steps": 16}


@given(
    losses=st.lists(st.floats(0.1, 20), min_size=4, max_size=40),
    deviations=st.floats(0.5, 10),
    window=st.integers(4, 20),
)
def test_the_limit_is_above_the_mean_of_the_window_alone(losses, deviations, window):
    limit = highest_loss(losses, SpikeSettings(deviations=deviations, window_steps=window))
    if len(losses) < window / 2:
        assert limit == math.inf
    else:
        assert limit >= np.mean(losses[-window:]) - 1e-9
        assert limit == highest_loss(losses[-window:], SpikeSettings(deviations=deviations, window_steps=window))
        mean, deviation = np.mean(losses[-window:]), np.std(losses[-window:], ddof=1)
        assert limit == pytest.approx(mean + deviations * max(deviation, mean / 1000))


def skips(losses, spikes):
    """Return the places of the losses that would be left out, each learnt from or not as those before were."""
    window, left_out = [], []
    for place, loss in enumerate(losses):
        if loss > highest_loss(window, spikes):
            left_out.append(place)
        window = remember(window, loss, spikes)
    return left_out


@given(
    level=st.integers(1, 5),  # whole, so that the mean of equal losses is none less
    rise=st.integers(1, 20),
    deviations=st.floats(1, 8),
    window=st.integers(4, 100),
)
@settings(max_examples=30)
def test_a_loss_that_stays_higher_is_soon_learnt_from(level, rise, deviations, window):
    spikes = SpikeSettings(deviations=deviations, window_steps=window)
    left_out = skips([level] * window + [level + rise] * window, spikes)
    assert left_out == list(range(window, window + len(left_out)))
    assert 1 <= len(left_out) <= math.ceil(window / (1 + deviations**2))


@pytest.mark.parametrize("name", ["default", "tweety_two_stage", "chocollama"])
def test_no_lasting_rise_ends_a_training_as_it_is_configured(name):
    skipping = load_config(["language=dutch", f"training={name}"]).training.skipping
    assert 1 <= len(skips([2.0] * 500 + [4.0] * 500, skipping.spikes)) < skipping.most_in_a_row


def test_what_rounding_does_to_equal_losses_is_no_spike():
    settings = SpikeSettings(deviations=6.0, window_steps=64)
    assert 2.0000001 < highest_loss([2.0] * 64, settings) < 2.1


@given(losses=st.lists(st.floats(0.1, 20), max_size=20), last=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_not_finite_is_not_remembered(losses, last):
    assert remember(losses, last, SpikeSettings.model_validate(SPIKES)) == losses


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """Return tokens with a pattern, in which the text of steps 41 (from 1) and, last of all, 59 and more is noise."""
    folder = make_tokens(tmp_path_factory.mktemp("spoilt") / "tokens", count=64 * 32 + 1)
    tokens = np.fromfile(folder / "train.bin", dtype="<u2")
    tokens[:] = np.arange(len(tokens)) % 7 + 3
    noise = np.random.default_rng(0)
    for first, last in ((40, 41), (58, 64)):
        tokens[first * 32 + 1 : last * 32] = noise.integers(20, 97, (last - first) * 32 - 1)
    tokens.tofile(folder / "train.bin")
    return folder


def test_a_spike_is_skipped_and_text_that_stays_noise_is_learnt_from(tiny_model, spoilt, tmp_path):
    skipping = {"most_in_a_row": 9, "spikes": SPIKES}
    metrics = run_case(tiny_model, spoilt, tmp_path / "out", skipping=skipping, **LEARNT)
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["skipped"]] == [41, 59]
    assert metrics["skipped_steps"] == lines[-1]["skipped_steps"] == 2
    assert lines[40]["loss"] > lines[39]["loss"] + 2
    assert metrics["loss"] == lines[63]["loss"]


def test_stopped_after_a_skipped_step_it_goes_on_as_if_it_had_not_been(tiny_model, spoilt, tmp_path, monkeypatch):
    """Step 60 is taken because the loss of step 59, which was left out, is remembered."""
    skipping = {"most_in_a_row": 9, "spikes": SPIKES}
    run_case(tiny_model, spoilt, tmp_path / "whole", skipping=skipping, **LEARNT)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", signalling(signal.SIGTERM, 59))
        with pytest.raises(UserError, match="SIGTERM after step 59"):
            run_case(tiny_model, spoilt, tmp_path / "stopped", skipping=skipping, **LEARNT)
    run_case(tiny_model, spoilt, tmp_path / "stopped", skipping=skipping, **LEARNT)
    assert hashes(tmp_path / "stopped") == hashes(tmp_path / "whole")


def test_too_many_spikes_in_a_row_end_it_and_name_the_last_good_checkpoint(tiny_model, spoilt, tmp_path):
    skipping = {"most_in_a_row": 3, "spikes": {"deviations": 2.5, "window_steps": 32}}
    out, every_step = tmp_path / "out", {"checkpoint_seconds": 0.0, "kept_checkpoints": 5}
    with pytest.raises(UserError, match="3 steps in a row were skipped") as caught:
        run_case(tiny_model, spoilt, out, every_step, skipping=skipping, **LEARNT)
    assert "in the last, step 61, it was" in str(caught.value)
    assert f"the last good checkpoint is {out / 'checkpoints' / 'step-00000060'}" in str(caught.value)
    assert "goes on from there, also with other settings of cluster" in str(caught.value)
    kept = sorted((out / "checkpoints").iterdir())
    assert [path.name for path in kept] == [f"step-000000{step}" for step in range(56, 61)]
    before, after = (load_file(path / "weights.safetensors") for path in kept[-3:-1])  # 58 and 59: nothing was learnt
    assert all((before[name] == after[name]).all() for name in before)
