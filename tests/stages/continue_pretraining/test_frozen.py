"""Weights that no phase trains are held rounded, and nobody can tell."""

import pytest
import tiny_encoders as encoders
import torch
from accelerate.state import AcceleratorState
from test_adapters import LORA
from tiny_models import TEXTS, save_tiny_model
from training_case import PHASES, TRAINING, hashes, make_model, make_tokens, run_case
from transformers import AutoConfig, AutoModelForCausalLM

from stages.continue_pretraining import stage
from stages.shared.held_out_text import write_texts
from stages.shared.training.adapters import add_adapters
from stages.shared.training.frozen import round_frozen
from stages.shared.training.parameters import make_groups
from stages.shared.training.settings import LoraAdapter, TrainingSettings

TABLES, OUTER = PHASES[0] | {"share": 0.5}, PHASES[1] | {"share": 0.5, "train": "1x0"}
WATCH = {
    "every_steps": 5,
    "text": {"bytes": 1, "document_bytes": 1, "seed": 1},
    "prompts": ["een huis"],
    "max_new_tokens": 8,
}


@pytest.fixture(autouse=True)
def _any_precision():
    """Let the trainings before and after have another one: Accelerate has one for a process."""
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


def settings(**changed) -> TrainingSettings:
    return TrainingSettings.model_validate(TRAINING | changed)


def rounded(model) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.dtype == torch.bfloat16}


def run_both(monkeypatch, rounds: list, out, model, tokens, texts=None, **training):
    """Train with rounded weights and with all of them in float32, and return the folders."""

    def count(model, groups):
        round_frozen(model, groups)
        rounds.append(len(rounded(model)))

    for name, how in (("rounded", count), ("float32", lambda model, groups: None)):
        monkeypatch.setattr(stage, "round_frozen", how)
        run_case(model, tokens, out / name, texts=texts, precision="bfloat16", **training)
    return out / "rounded", out / "float32"


@pytest.mark.parametrize("tied", [True, False])
def test_the_body_of_the_layers_that_no_phase_trains(tmp_path, tied):
    model = AutoModelForCausalLM.from_pretrained(make_model(tmp_path / "model", tied))
    given = settings(phases=[TABLES, OUTER])
    round_frozen(model, make_groups(model, given))
    parts = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    found = rounded(model)
    assert {name.split(".")[2] for name in found} == {"1", "2", "3", "4"}, "of five layers"
    assert len(found) == 4 * len(parts)
    assert {name.split(".")[-2] for name in found} == set(parts)


def test_what_adapters_stand_beside(tmp_path):
    model = AutoModelForCausalLM.from_pretrained(make_model(tmp_path / "model", tied=False))
    adapter = LORA | {"embeddings": False}
    add_adapters(model, LoraAdapter(**adapter), seed=1)
    round_frozen(model, make_groups(model, settings(adapter=adapter, phases=[OUTER | {"share": 1.0}])))
    found = rounded(model)
    assert len(found) == 5 * 7
    assert not any("lora" in name or "embed" in name or "lm_head" in name for name in found)


@pytest.mark.parametrize("adapter", [{"method": "none"}, LORA], ids=["layers", "lora"])
def test_a_training_has_the_same_bytes(tmp_path, monkeypatch, adapter):
    """Losses, gradient norms, looks, the written model; of adapters too, which are added to what the files have."""
    model, tokens, text = save_tiny_model(tmp_path / "model"), make_tokens(tmp_path / "tokens", 257, 320), tmp_path
    write_texts(text, [(str(number), document) for number, document in enumerate(TEXTS[:3])])
    rounds: list[int] = []
    changed = {"adapter": adapter, "phases": [TABLES, OUTER], "watch": WATCH}
    one, other = run_both(monkeypatch, rounds, tmp_path, model, tokens, {"held_out_target": text}, **changed)
    assert rounds[0] > 0
    assert hashes(one) == hashes(other)
    assert (one / "samples.jsonl").exists()


@pytest.mark.parametrize("kind", ["roberta", "bert"])
def test_an_encoder_has_the_same_bytes(tmp_path, monkeypatch, kind):
    words = [f" word{number}" for number in range(40)]
    folder = encoders.save_encoder(tmp_path / "model", kind, words)
    tokens = make_tokens(tmp_path / "tokens", vocabulary=AutoConfig.from_pretrained(folder).vocab_size - 3)
    rounds: list[int] = []
    changed = {"objective": "masked", "sequence_length": 16, "phases": [TABLES | {"share": 1.0}]}
    one, other = run_both(monkeypatch, rounds, tmp_path, folder, tokens, **changed)
    assert rounds[0] > 0
    assert hashes(one) == hashes(other)
