"""Models are loaded as what they are: an encoder is no decoder that sees the words it is to predict."""

import pytest
import tiny_encoders as encoders
import torch
from tiny_models import save_tiny_model

from pipeline.errors import UserError
from stages.shared.loading import load_causal_model, load_masked_model
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
