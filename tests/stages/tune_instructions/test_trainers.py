"""What trl is told: one GPU a process, no more recomputed than is wanted, and the order of the rows."""

import pytest
import torch
from accelerate import Accelerator
from execution_here import here
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerCallback
from trl.trainer.sft_config import SFTConfig
from tuning_case import SFT

from stages.shared.training.one_gpu import on_one_gpu
from stages.tune_instructions.settings import SftSettings
from stages.tune_instructions.trainers import Place, arguments, row_order


def test_of_several_gpus_one_is_taken(tmp_path, monkeypatch):
    place = Place(tmp_path, Accelerator(cpu=True), here(device="cuda", micro_batch=2), TrainerCallback())
    options = arguments(SftSettings(**SFT), place)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert SFTConfig(**options).n_gpu == 2, "else this test says nothing"
    taken = on_one_gpu(SFTConfig(**options))
    assert taken.n_gpu == 1
    assert taken.train_batch_size == 2


@pytest.mark.filterwarnings("error:.*gradient_checkpointing:FutureWarning")  # a name that transformers will drop
@pytest.mark.parametrize("wanted", [True, False])
def test_activations_are_recomputed_where_wanted_and_not_because_trl_would(tmp_path, wanted):
    settings = SftSettings(**SFT | {"gradient_checkpointing": wanted})
    options = arguments(settings, Place(tmp_path, Accelerator(cpu=True), here(), TrainerCallback()))
    assert SFTConfig(**options).activation_checkpointing is wanted


@given(rows=st.integers(1, 40), epochs=st.floats(0.1, 4), batch=st.integers(1, 16), seed=st.integers(0, 9))
def test_every_epoch_shows_every_row_once_and_every_batch_is_full(rows, epochs, batch, seed):
    order = row_order(rows, epochs, batch, seed).tolist()
    assert len(order) % batch == 0
    assert rows * epochs - 1e-3 <= len(order) < rows * epochs + batch
    for first in range(0, len(order), rows):
        epoch = order[first : first + rows]
        assert len(set(epoch)) == len(epoch)
        assert set(epoch) <= set(range(rows))
    assert row_order(rows, epochs, batch, seed).tolist() == order
