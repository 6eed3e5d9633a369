"""What a killed training left beside its checkpoints, which of these are kept, and what is said when none is sound."""

import pytest
import torch
from training_case import run_case

from stages.continue_pretraining import loop
from stages.continue_pretraining.checkpoints import Checkpoint, newest_checkpoint, save_checkpoint
from stages.shared.sealing import seal


def test_what_was_being_written_or_deleted_goes_when_a_training_begins(tiny_model, tiny_tokens, tmp_path, monkeypatch):
    for name in ("step-00000003.unfinished", "step-00000001.deleting"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / name / "weights.safetensors").write_bytes(b"half of it")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "take_step", stop)
    with pytest.raises(KeyboardInterrupt):
        run_case(tiny_model, tiny_tokens, tmp_path, validation_tokens=0)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_one_without_all_its_files_is_torn_whatever_was_summed(tmp_path, capsys):
    (tmp_path / "step-00000001").mkdir()
    (tmp_path / "step-00000001" / "weights.safetensors").write_bytes(b"weights")
    seal(tmp_path / "step-00000001")
    assert newest_checkpoint(tmp_path) is None
    assert "sha256.json does not name journal.json" in capsys.readouterr().err


def test_where_all_are_torn_none_is_said_to_be_gone_back_to(tmp_path, capsys):
    for step in (1, 2):
        (tmp_path / f"step-{step:08d}").mkdir()
    assert newest_checkpoint(tmp_path) is None
    newer, older = capsys.readouterr().err.splitlines()
    assert newer.endswith("going back to step-00000001")
    assert older.endswith("there is none before it to go on from")


def test_torn_ones_take_no_sound_ones_room(tmp_path):
    def save(step, kept):
        tensors = {"weight": torch.zeros(2)}
        return save_checkpoint(tmp_path, Checkpoint(tensors, tensors, {}, {"step": step}), kept)

    for step in (100, 200):
        save(step, kept=2)
    (tmp_path / "step-00000200" / "weights.safetensors").write_bytes(b"half of it")
    saved = save(150, kept=1)  # gone on from 100
    assert list(tmp_path.iterdir()) == [saved]
    assert newest_checkpoint(tmp_path) == saved
    for step in (160, 170):
        save(step, kept=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000160", "step-00000170"]
