"""What trl is told: one process, whatever GPUs the machine has, and no more recomputed than is wanted."""

import pytest
import torch
from execution_here import here
from transformers import TrainerCallback
from trl.trainer.sft_config import SFTConfig
from tuning_case import SFT

from stages.tune_instructions.settings import SftSettings
from stages.tune_instructions.trainers import Place, arguments, on_one_gpu


def test_of_several_gpus_one_is_taken(tmp_path, monkeypatch):
    place = Place(tmp_path, here(device="cuda", micro_batch=2), TrainerCallback())
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
    options = arguments(settings, Place(tmp_path, here(), TrainerCallback()))
    assert SFTConfig(**options).activation_checkpointing is wanted
