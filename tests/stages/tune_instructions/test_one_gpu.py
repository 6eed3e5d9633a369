"""A tuning is one process, whatever GPUs the machine has."""

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
