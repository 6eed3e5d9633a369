"""The stage as a whole on a tiny model: what it learns, what it writes, what it refuses."""

import gc
import json
import weakref

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from training_case import PHASES, TRAINING, VOCABULARY, hashes, losses, make_model, make_tokens, run_case
from transformers import AutoModelForCausalLM, MixtralConfig, MixtralForCausalLM

from pipeline.errors import UserError
from stages.continue_pretraining import loop
from stages.continue_pretraining.stage import validation_figures
from stages.shared.training.settings import TrainingSettings
from stages.shared.training.setup import load_data


def test_it_learns_and_says_what_it_did(tiny_model, tiny_tokens, tmp_path):
    metrics = run_case(tiny_model, tiny_tokens, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "training.json").read_text())
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 17))  # 63 sequences, 4 a step
    assert lines[-1]["tokens"] == metrics["tokens"] == written["tokens"] == 500
    assert lines[0]["loss"] == written["loss"]["first"] > written["loss"]["last"] == lines[-1]["loss"]
    assert written["validation"]["loss_after"] < written["validation"]["loss_before"]
    assert written["validation"]["bits_per_byte_before"] == pytest.approx(
        written["validation"]["loss_before"] / np.log(2) / 3
    )
    assert [phase["steps"] for phase in written["phases"]] == [5, 11]
    assert sum(phase["tokens"] for phase in written["phases"]) == 500
    assert {line["phase"] for line in lines[:5]} == {"tables"}
    assert all(line["learning_rate"] == 0 for line in lines[:5])
    assert metrics["tokens_per_s"] > 0
    assert metrics["peak_memory_gb"] > 0


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_model_keeps_its_form(tiny_tokens, tmp_path, tied, dtype):
    model = make_model(tmp_path / "model", tied, dtype)
    run_case(model, tiny_tokens, tmp_path / "out")
    before, after = (load_file(folder / "model.safetensors") for folder in (model, tmp_path / "out"))
    assert {name: tensor.dtype for name, tensor in before.items()} == {n: t.dtype for n, t in after.items()}
    assert all(not torch.equal(before[name], after[name]) for name in before)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert (loaded.lm_head.weight is loaded.model.embed_tokens.weight) == tied
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {path.name for path in model.iterdir()} - {"manifest.json"} | {"metrics.jsonl", "training.json"}
    for name in ("config.json", "tokenizer.json"):
        assert (tmp_path / "out" / name).read_bytes() == (model / name).read_bytes()


@pytest.mark.parametrize(
    ("train", "expected"),
    [("embeddings", set()), ("1x1", {"0", "4"}), ("2x0", {"0", "1"}), ("all", {"0", "1", "2", "3", "4"})],
)
def test_a_phase_trains_what_it_says(tiny_tokens, tmp_path, train, expected):
    model = make_model(tmp_path / "model", tied=False)
    run_case(model, tiny_tokens, tmp_path / "out", phases=[PHASES[1] | {"share": 1.0, "train": train}])
    before, after = (load_file(folder / "model.safetensors") for folder in (model, tmp_path / "out"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"lm_head.weight", "model.embed_tokens.weight"} <= changed
    assert {name.split(".")[2] for name in changed if ".layers." in name} == expected
    assert ("model.norm.weight" in changed) == (train == "all")


def test_a_phase_is_let_go_of_before_the_next_one_has_gradients(tiny_model, tiny_tokens, tmp_path, monkeypatch):
    modules, start_phase = [], loop.start_phase

    def started(training, phase):
        training.accelerator.free_memory()  # as start_phase itself does first
        gc.collect()
        assert all(module() is None for module in modules)
        module, weights = start_phase(training, phase)
        modules.append(weakref.ref(module))
        return module, weights

    monkeypatch.setattr(loop, "start_phase", started)
    run_case(tiny_model, tiny_tokens, tmp_path / "out")
    assert len(modules) == len(PHASES)


def test_equal_bytes_whatever_the_folder_and_the_interval_of_checkpoints(tiny_model, tiny_tokens, tmp_path):
    run_case(tiny_model, tiny_tokens, tmp_path / "one")
    run_case(tiny_model, tiny_tokens, tmp_path / "two", execution={"checkpoint_seconds": 0.0})
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


@pytest.mark.parametrize("attention", ["causal", "document"])
def test_the_micro_batch_changes_nothing_but_the_rounding(tiny_model, tiny_tokens, tmp_path, attention):
    for size in (1, 4):
        run_case(tiny_model, tiny_tokens, tmp_path / str(size), execution={"micro_batch": size}, attention=attention)
    assert losses(tmp_path / "1") == pytest.approx(losses(tmp_path / "4"), abs=1e-5)


def test_attention_by_document_is_that_of_documents_alone(tiny_model, tmp_path):
    """The first losses of a packed batch are those of its documents, each run through the model by itself."""
    tokens = make_tokens(tmp_path / "tokens", count=64)
    one_step = {"sequence_length": 63, "global_batch": 1, "validation_tokens": 0}
    run_case(tiny_model, tokens, tmp_path / "document", attention="document", **one_step)
    run_case(tiny_model, tokens, tmp_path / "causal", **one_step)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    stream = torch.from_numpy(np.fromfile(tokens / "train.bin", dtype="<u2").astype(np.int64))
    total = 0.0
    for first in (0, 23, 46):
        read, predicted = stream[first : min(first + 23, 63)], stream[first + 1 : min(first + 24, 64)]
        logits = model(read[None]).logits[0]
        total += torch.nn.functional.cross_entropy(logits, predicted, reduction="sum").item()
    assert losses(tmp_path / "document") == pytest.approx([total / 63], abs=1e-5)
    assert losses(tmp_path / "causal") != pytest.approx([total / 63], abs=1e-4)


def test_steps_without_a_finite_loss_are_skipped_and_counted(tiny_tokens, tmp_path):
    """One token's row is infinite: steps that meet it are left out, the others are not."""
    model = make_model(tmp_path / "model", tied=False)
    tokens = np.fromfile(tiny_tokens / "train.bin", dtype="<u2")
    values, counts = np.unique(tokens, return_counts=True)
    rare = int(values[np.argmin(counts)])
    weights = load_file(model / "model.safetensors")
    weights["model.embed_tokens.weight"][rare] = torch.inf
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    metrics = run_case(model, tiny_tokens, tmp_path / "out", validation_tokens=0)
    assert 0 < metrics["skipped_steps"] < 5
    assert losses(tmp_path / "out").count(None) == metrics["skipped_steps"]
    assert np.isfinite(metrics["loss"])


def test_a_training_that_diverges_ends_and_names_the_last_good_checkpoint(tiny_model, tiny_tokens, tmp_path):
    wild = [PHASES[1] | {"share": 1.0, "learning_rate": 1e30, "embedding_learning_rate": 1e30}]
    with pytest.raises(UserError, match="5 steps in a row") as caught:
        run_case(tiny_model, tiny_tokens, tmp_path / "out", execution={"checkpoint_seconds": 0.0}, phases=wild)
    assert str(tmp_path / "out" / "checkpoints" / "step-") in str(caught.value)


@pytest.mark.parametrize(
    ("training", "execution", "message"),
    [
        ({"global_batch": 4}, {"micro_batch": 3}, "cluster.micro_batch=3 does not divide the 4 sequences"),
        ({"sequence_length": 65}, {}, "more than the 64 positions"),
        ({"phases": [PHASES[1] | {"share": 1.0, "train": "3x3"}]}, {}, "the model has 5"),
    ],
)
def test_what_does_not_go_together_is_refused(tiny_model, tiny_tokens, tmp_path, training, execution, message):
    with pytest.raises(UserError, match=message):
        run_case(tiny_model, tiny_tokens, tmp_path / "out", execution, **training)


def test_tokens_of_another_vocabulary_are_refused(tiny_model, tmp_path):
    tokens = make_tokens(tmp_path / "tokens", vocabulary=98)
    with pytest.raises(UserError, match="vocabulary of 98, but the model has 97"):
        run_case(tiny_model, tokens, tmp_path / "out")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said(tiny_model, tiny_tokens, tmp_path):
    with pytest.raises(UserError, match="torch sees no GPU"):
        run_case(tiny_model, tiny_tokens, tmp_path / "out", {"device": "cuda"})


def test_weights_that_are_not_whole_are_refused(tiny_tokens, tmp_path):
    model = make_model(tmp_path / "model")
    tensors = load_file(model / "model.safetensors")
    del tensors["model.layers.1.self_attn.q_proj.weight"]
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"layers\.1\.self_attn\.q_proj\.weight missing"):
        run_case(model, tiny_tokens, tmp_path / "out")


def test_an_architecture_whose_weights_are_fused_while_loading_is_refused(tiny_tokens, tmp_path):
    folder = make_model(tmp_path / "model")
    shape = {"vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 8, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "num_local_experts": 2, "max_position_embeddings": 64}
    MixtralForCausalLM(MixtralConfig(**shape, **heads)).save_pretrained(folder)
    with pytest.raises(UserError, match="MixtralForCausalLM is not supported"):
        run_case(folder, tiny_tokens, tmp_path / "out")
    embeddings = [PHASES[0] | {"share": 1.0}]
    run_case(folder, tiny_tokens, tmp_path / "embeddings", phases=embeddings)


def test_a_loss_that_is_not_finite_is_null_in_what_is_written(tiny_tokens):
    data = load_data(tiny_tokens, TrainingSettings.model_validate(TRAINING), VOCABULARY)
    figures = json.loads(json.dumps(validation_figures(data, 4.5, float("nan")), allow_nan=False))
    assert figures["loss_before"] == 4.5
    assert figures["loss_after"] is figures["bits_per_byte_after"] is None
