"""Which checkpoint a tuning goes on from: the newest whose files are as they were written."""

import math
from types import SimpleNamespace

import pytest
from accelerate import Accelerator

from pipeline.errors import UserError
from pipeline.tracking import NoTracker
from stages.shared.interruption import Interruption
from stages.shared.saving_clock import SavingClock
from stages.shared.sealing import SUMS, seal
from stages.tune_instructions.progress import Progress, newest_checkpoint


@pytest.fixture
def saved(tmp_path):
    """Return a folder with the checkpoints of steps 3 and 12, sealed, and of step 9, which a kill left half-written."""
    for step in (3, 9, 12):
        folder = tmp_path / f"checkpoint-{step}"
        (folder / "adapter").mkdir(parents=True)
        (folder / "adapter" / "weights").write_bytes(bytes([step]) * 1000)
        (folder / "optimizer.pt").write_bytes(b"moments")
        if step != 9:
            seal(folder)
    return tmp_path


def test_a_whole_one_is_taken(saved, capsys):
    assert newest_checkpoint(saved) == saved / "checkpoint-12"
    assert capsys.readouterr().err == ""


def unreadable(path):
    """Put a file in its place that is opened well and fails to be read, as from a disk that is failing."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / "adapter" / "weights").write_bytes(b"\0" * 1000), "adapter/weights has changed"),
        (lambda folder: (folder / "optimizer.pt").unlink(), "optimizer.pt is missing"),
        (lambda folder: unreadable(folder / "optimizer.pt"), "optimizer.pt cannot be read: Input/output error"),
        (lambda folder: (folder / SUMS).write_text('{"optimizer'), "sha256.json is missing or cut off"),
    ],
)
def test_torn_ones_are_named_and_the_sound_one_before_them_is_taken(saved, harm, told, capsys):
    harm(saved / "checkpoint-12")
    assert newest_checkpoint(saved) == saved / "checkpoint-3"
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(f"checkpoint-12 is torn ({told}); going back to checkpoint-9")
    assert second.endswith("checkpoint-9 is torn (sha256.json is missing or cut off); going back to checkpoint-3")
    (saved / "checkpoint-3" / SUMS).unlink()
    assert newest_checkpoint(saved) is None
    assert capsys.readouterr().err.endswith("there is none before it to go on from\n")


def test_a_loss_that_is_not_finite_ends_it_and_the_last_good_checkpoint_is_named(saved):
    progress = Progress(None, NoTracker(), (Accelerator(cpu=True), Interruption()), SavingClock(60, 20))
    arguments, state = SimpleNamespace(output_dir=str(saved)), SimpleNamespace(global_step=15, log_history=[{}])
    with pytest.raises(
        UserError, match=r"the loss of step 15 is not finite; .*checkpoint-12\. Lower the learning_rate"
    ):
        progress.on_log(arguments, state, None, {"loss": math.nan, "num_tokens": 5})


def test_saving_seals_and_keeps_the_two_newest(saved):
    (saved / "checkpoint-15").mkdir()
    (saved / "checkpoint-15" / "optimizer.pt").write_bytes(b"moments")
    progress = Progress(None, NoTracker(), (Accelerator(cpu=True), Interruption()), SavingClock(60, 20))
    progress.on_save(SimpleNamespace(output_dir=str(saved)), SimpleNamespace(global_step=15), None)
    assert sorted(path.name for path in saved.iterdir()) == ["checkpoint-12", "checkpoint-15"]
    assert newest_checkpoint(saved) == saved / "checkpoint-15"
