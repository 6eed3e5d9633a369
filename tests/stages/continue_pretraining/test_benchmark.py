"""The benchmark's side of this project takes its steps with the stage as it is."""

import sys
from multiprocessing import Pipe

import pytest
import torch
from accelerate import Accelerator
from training_case import ROOT, VOCABULARY, make_model

from pipeline.config import load_config


@pytest.fixture
def sides(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import training_sides

    yield training_sides
    del sys.modules["training_sides"]


def test_our_side_times_its_steps_and_reports(sides, tmp_path):
    sizes = ["training.sequence_length=8", "training.global_batch=2", "training.threads=1"]
    config = load_config(["language=dutch", "cluster=local", "cluster.micro_batch=2", *sizes])
    here, there = Pipe()
    for word in ("step", "step", "end"):
        here.send(word)
    sides.run_ours(there, config, str(make_model(tmp_path / "model")), 2)
    assert here.recv() > 0
    assert here.recv() > 0
    assert here.recv()["parameters"] > VOCABULARY * 16


def test_transformers_side_takes_one_of_several_gpus_as_ours_does(sides, tmp_path, monkeypatch):
    config = load_config(["language=dutch", "cluster=local", "cluster.device=cuda", "cluster.micro_batch=2"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    Accelerator(cpu=True)  # else transformers would look for the first of them
    arguments = sides._trainer_arguments(config, str(tmp_path), 1)
    assert arguments.n_gpu == 1
    assert arguments.train_batch_size == 2
