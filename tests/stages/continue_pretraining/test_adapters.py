"""LoRA: the same model before training, only adapters and tables trained, a plain folder after, resumed bit for bit."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_case import PHASES, hashes, losses, make_model, run_case
from transformers import AutoModelForCausalLM

from pipeline.errors import UserError
from stages.continue_pretraining import loop
from stages.shared.training.adapters import add_adapters, merge_adapters
from stages.shared.training.settings import LoraAdapter

LORA = {
    "method": "lora",
    "r": 2,
    "alpha": 8.0,
    "dropout": 0.1,
    "target_modules": ["q_proj", "v_proj", "down_proj"],
    "embeddings": True,
}
MUON = {"method": "muon", "momentum": 0.95, "newton_schulz_steps": 5}
PROJECTIONS = ("q_proj", "v_proj", "down_proj")


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder).eval()


@torch.no_grad()
def logits(model):
    return model(torch.arange(24)[None]).logits


def test_an_untrained_adapter_changes_nothing_and_a_merged_one_computes_the_same(tiny_model):
    model, base = load(tiny_model), load(tiny_model)
    add_adapters(model, LoraAdapter(**LORA), seed=1)
    model.eval()  # new layers begin in training mode
    assert torch.equal(logits(model), logits(base))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    before = logits(model)
    assert not torch.allclose(before, logits(base), atol=1e-2)
    merge_adapters(model, load_file(tiny_model / "model.safetensors").__getitem__)
    assert torch.allclose(logits(model), before, atol=1e-5)


def test_adapters_depend_on_the_seed_alone(tiny_model):
    models = [load(tiny_model) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        torch.manual_seed(seed * torch.randint(100, ()).item())
        add_adapters(model, LoraAdapter(**LORA), seed)
    one, same, other = (dict(model.named_parameters()) for model in models)
    names = [name for name in one if "lora_A" in name]
    assert len(names) == 15
    assert all(torch.equal(one[name], same[name]) and not torch.equal(one[name], other[name]) for name in names)


@pytest.mark.parametrize(("tied", "embeddings"), [(True, True), (False, True), (False, False)])
def test_what_is_frozen_stays_to_the_bit_and_the_output_is_a_plain_model(tiny_tokens, tmp_path, tied, embeddings):
    model, phases = make_model(tmp_path / "model", tied), [PHASES[1] | {"share": 1.0}]
    metrics = run_case(model, tiny_tokens, tmp_path / "out", adapter=LORA | {"embeddings": embeddings}, phases=phases)
    before, after = (load_file(folder / "model.safetensors") for folder in (model, tmp_path / "out"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    expected = {name for name in before if any(part in name for part in PROJECTIONS)}
    tables = {"model.embed_tokens.weight"} | (set() if tied else {"lm_head.weight"})
    assert changed == expected | (tables if embeddings else set())
    assert metrics["loss"] < losses(tmp_path / "out")[0]
    for name in expected:  # what was added is of the adapter's rank
        assert torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-3) <= LORA["r"]


def test_the_written_model_is_the_one_that_was_measured(tiny_model, tiny_tokens, tmp_path):
    """The loss on held-out text, measured with the adapters beside the weights, is the merged model's."""
    run_case(tiny_model, tiny_tokens, tmp_path / "out", adapter=LORA)
    measured = json.loads((tmp_path / "out" / "training.json").read_text())["validation"]["loss_after"]
    stream = torch.from_numpy(np.fromfile(tiny_tokens / "validation.bin", dtype="<u2").astype(np.int64))[:40]
    model, total = load(tmp_path / "out"), 0.0
    with torch.no_grad():
        for first in range(0, 39, 8):
            read, predicted = stream[first : min(first + 8, 39)], stream[first + 1 : min(first + 9, 40)]
            found = model(read[None]).logits[0]
            total += torch.nn.functional.cross_entropy(found, predicted, reduction="sum").item()
    assert measured == pytest.approx(total / 39, abs=1e-5)


@pytest.mark.parametrize(
    ("changed", "step"),
    [({"adapter": LORA}, 3), ({"adapter": LORA}, 9), ({"optimizer": MUON}, 9)],
    ids=["lora in the tables' phase", "lora in its own phase", "muon"],
)
def test_interrupted_and_resumed_it_ends_with_the_same_bytes(
    tiny_model, tiny_tokens, tmp_path, monkeypatch, changed, step
):
    """In the first phase, where the adapters have not been trained yet, and in the second."""
    run_case(tiny_model, tiny_tokens, tmp_path / "whole", **changed)
    take_step = loop.take_step

    def stop(training, module, weights, number, most_loss):
        if number == step:
            raise KeyboardInterrupt
        return take_step(training, module, weights, number, most_loss)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", stop)
        with pytest.raises(KeyboardInterrupt):
            run_case(tiny_model, tiny_tokens, tmp_path / "out", {"checkpoint_seconds": 0.0}, **changed)
    metrics = run_case(tiny_model, tiny_tokens, tmp_path / "out", **changed)
    assert metrics["resumed_at_step"] == step
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")


def test_a_layer_that_is_not_there_is_said(tiny_model, tiny_tokens, tmp_path):
    with pytest.raises(UserError, match=r"no linear layer query; it has down_proj, gate_proj"):
        run_case(tiny_model, tiny_tokens, tmp_path / "out", adapter=LORA | {"target_modules": ["q_proj", "query"]})


def test_a_phase_that_would_train_nothing_is_refused(tiny_model, tiny_tokens, tmp_path):
    with pytest.raises(ValueError, match="nothing to train"):
        run_case(tiny_model, tiny_tokens, tmp_path / "out", adapter=LORA | {"embeddings": False})
