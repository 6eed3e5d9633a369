"""Muon for the body's matrices against its paper's algorithm, AdamW for the rest; what a machine lacks is said."""

import signal
import sys

import pytest
import tiny_encoders as encoders
import torch
from training_case import PHASES, TRAINING, hashes, losses, run_case, signalling
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from pipeline.errors import UserError
from stages.continue_pretraining import loop
from stages.continue_pretraining.checkpoints import (
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from stages.shared.training.optimizers import adamw_8bit, make_optimizer
from stages.shared.training.parameters import make_groups
from stages.shared.training.settings import TrainingSettings

MUON = {"method": "muon", "momentum": 0.9, "newton_schulz_steps": 5}
RATE, STEPS = 0.01, 4


def orthogonalized(update, steps):
    """Keller Jordan's quintic iteration, in float64."""
    found = update.double() / update.double().norm()
    if wide := found.shape[0] <= found.shape[1]:
        found = found.T
    for _ in range(steps):
        gram = found.T @ found
        found = 3.4445 * found + found @ (-4.7750 * gram + 2.0315 * gram @ gram)
    return found.T if wide else found


def trained(model, settings):
    groups = make_groups(model, settings)
    optimizer = make_optimizer(model, groups, settings)
    generator, gradients = torch.Generator().manual_seed(3), []
    for _ in range(STEPS):
        gradients.append({})
        for name, weight in model.named_parameters():
            weight.grad = torch.randn(weight.shape, generator=generator)
            gradients[-1][name] = weight.grad.clone()
        for options in optimizer.param_groups:
            options["lr"] = RATE
        optimizer.step()
    return gradients, {name: weight.detach().clone() for name, weight in model.named_parameters()}


def test_muon_takes_the_steps_of_its_paper_and_adamw_those_of_all_other_weights(tiny_model):
    load = lambda: AutoModelForCausalLM.from_pretrained(tiny_model)  # noqa: E731
    settings = TrainingSettings(**TRAINING | {"optimizer": MUON, "phases": [PHASES[1] | {"share": 1.0}]})
    begin = {name: weight.detach().clone() for name, weight in load().named_parameters()}
    gradients, after = trained(load(), settings)
    _, plain = trained(load(), settings.model_copy(update={"optimizer": TrainingSettings(**TRAINING).optimizer}))
    for name, weight in after.items():
        if "layers" not in name or weight.dim() < 2:
            assert torch.equal(weight, plain[name]), name
            continue
        mean, expected = torch.zeros_like(weight), begin[name].double()
        for step in gradients:
            mean = MUON["momentum"] * mean + (1 - MUON["momentum"]) * step[name]
            nesterov = MUON["momentum"] * mean + (1 - MUON["momentum"]) * step[name]
            size = 0.2 * max(weight.shape) ** 0.5
            expected = expected * (1 - RATE * settings.weight_decay)
            expected -= RATE * size * orthogonalized(nesterov, MUON["newton_schulz_steps"])
        moved, wanted = weight.double() - begin[name], expected - begin[name]
        # PyTorch iterates in bfloat16.
        assert (moved - wanted).norm() < 0.03 * wanted.norm(), name


@pytest.mark.parametrize("kind", ["roberta", "bert"])
def test_tables_that_an_encoder_looks_up_are_not_made_orthogonal(kind, tmp_path):
    model = AutoModelForMaskedLM.from_pretrained(encoders.save_encoder(tmp_path / kind, kind, [" word"]))
    settings = TrainingSettings(**TRAINING | {"optimizer": MUON, "phases": [PHASES[1] | {"share": 1.0}]})
    optimizer = make_optimizer(model, make_groups(model, settings), settings)
    names = {id(weight): name for name, weight in model.named_parameters()}
    by_adamw = {names[id(weight)] for group in optimizer.parts[1].param_groups for weight in group["params"]}
    assert {f"{kind}.embeddings.{table}_embeddings.weight" for table in ("word", "position", "token_type")} <= by_adamw
    by_muon = {names[id(weight)] for group in optimizer.parts[0].param_groups for weight in group["params"]}
    assert by_muon == {name for name, weight in model.named_parameters() if weight.dim() == 2} - by_adamw
    assert any(name.endswith("attention.self.query.weight") for name in by_muon)


def test_a_training_with_muon_learns(tiny_model, tiny_tokens, tmp_path):
    run_case(tiny_model, tiny_tokens, tmp_path / "out", optimizer=MUON)
    found = losses(tmp_path / "out")
    assert found[-1] < found[0] - 0.2


def test_a_training_with_muon_that_was_stopped_ends_with_the_same_bytes(tiny_model, tiny_tokens, tmp_path, monkeypatch):
    run_case(tiny_model, tiny_tokens, tmp_path / "whole", optimizer=MUON)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", signalling(signal.SIGTERM, 9))
        with pytest.raises(UserError, match="SIGTERM after step 9"):
            run_case(tiny_model, tiny_tokens, tmp_path / "out", optimizer=MUON)
    run_case(tiny_model, tiny_tokens, tmp_path / "out", optimizer=MUON)
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")


def test_an_optimizer_of_8_bits_needs_a_gpu_and_its_library(tiny_model, tiny_tokens, tmp_path, monkeypatch):
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="optimizer=adamw_8bit runs on an Nvidia GPU alone"):
            run_case(tiny_model, tiny_tokens, tmp_path / "out", optimizer={"method": "adamw_8bit"})
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match="pip install bitsandbytes"):
        adamw_8bit(torch.device("cuda"))


def test_a_state_with_a_python_counter_is_saved_and_restored():
    """bitsandbytes counts its steps in an int, which its kernels want back."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    optimizer.state[weight] = {"step": 7, "moment": torch.arange(3, dtype=torch.uint8)}
    saved = optimizer_tensors(optimizer, {id(weight): "weight"})
    other = torch.optim.SGD([weight], lr=0.1)
    restore_optimizer(other, {"weight": weight}, saved)
    assert other.state[weight]["step"] == 7
    assert isinstance(other.state[weight]["step"], int)
    assert torch.equal(other.state[weight]["moment"], optimizer.state[weight]["moment"])


def test_a_state_that_weights_share_is_saved(tmp_path):
    """bitsandbytes' moments of 8 bits are numbers of rows of one table, which each weight's state holds."""
    weights = {name: torch.nn.Parameter(torch.ones(3)) for name in ("a", "b")}
    optimizer, table = torch.optim.SGD(weights.values(), lr=0.1), torch.arange(256.0)
    for weight in weights.values():
        optimizer.state[weight] = {"qmap1": table}
    saved = optimizer_tensors(optimizer, {id(weight): name for name, weight in weights.items()})
    folder = save_checkpoint(tmp_path / "checkpoints", Checkpoint({}, saved, {}, {"step": 1}), 1)
    found = load_checkpoint(folder).optimizer
    assert sorted(found) == ["a/qmap1", "b/qmap1"]
    assert all(torch.equal(tensor, table) for tensor in found.values())
