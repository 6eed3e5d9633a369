"""Models are loaded as what they are: an encoder is no decoder that sees the words it is to predict."""

import psutil
import pytest
import tiny_encoders as encoders
import torch
from tiny_decoders import save_decoder
from tiny_models import save_tiny_model
from transformers import LlamaConfig

from pipeline.errors import UserError
from stages.shared.loading import hollow_causal_model, load_causal_model, load_masked_model
from stages.shared.scoring.model import load_model as load_to_score
from stages.shared.training.settings import TrainingSettings
from stages.shared.training.setup import load_model as load_to_train


@pytest.mark.parametrize("kind", ["roberta", "bert"])
def test_what_there_is_not_yet_for_encoders_is_said_before_anything_runs(tmp_path, kind):
    folder = encoders.save_encoder(tmp_path, kind, [" house"])
    settings = TrainingSettings.model_construct(sequence_length=16, objective="causal")
    for load in (
        lambda: load_causal_model(folder, torch.float32),
        lambda: load_to_score(folder, "float32", "cpu", 1),
        lambda: load_to_train(folder, settings, torch.device("cpu")),
    ):
        with pytest.raises(UserError, match=r"ForMaskedLM, an encoder.*training.objective=masked.*is not there yet"):
            load()


def test_the_masked_objective_is_for_encoders(tmp_path):
    settings = TrainingSettings.model_construct(sequence_length=16, objective="masked")
    with pytest.raises(UserError, match=r"is no encoder: give training\.objective=causal"):
        load_to_train(save_tiny_model(tmp_path), settings, torch.device("cpu"))


def test_a_weight_that_is_missing_is_named(tmp_path):
    folder = save_tiny_model(tmp_path)
    with pytest.raises(UserError, match="cannot load the model"):
        load_masked_model(folder, torch.float32)
    assert load_causal_model(folder, torch.float32).config.vocab_size == 320


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma3_text"])
def test_a_hollow_model_differs_in_its_numbers_alone(tmp_path, kind, tied):
    folder = save_decoder(tmp_path, 1, kind, vocab_size=50, tie_word_embeddings=tied)
    found = [load(folder, torch.float32) for load in (load_causal_model, hollow_causal_model)]
    whole, hollow = ([*model.named_parameters(), *model.named_buffers()] for model in found)
    assert [(name, one.shape, one.dtype, one.device) for name, one in hollow] == [
        (name, one.shape, one.dtype, one.device) for name, one in whole
    ]


def test_a_hollow_model_takes_no_memory(tmp_path):
    LlamaConfig(vocab_size=50_000, hidden_size=512, num_hidden_layers=1).save_pretrained(tmp_path)
    before = psutil.Process().memory_info().rss
    model = hollow_causal_model(tmp_path, torch.float32)
    assert sum(weight.nbytes for weight in model.parameters()) > 200e6
    assert psutil.Process().memory_info().rss - before < 50e6
