"""The masked objective: which tokens are hidden, the loss on them alone, and an encoder trained on it."""

import json

import numpy as np
import pytest
import tiny_encoders as encoders
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from training_case import PHASES, hashes, losses, make_tokens, run_case
from transformers import AutoConfig, AutoModelForMaskedLM

from pipeline.errors import UserError
from stages.continue_pretraining import loop
from stages.shared.training.batches import IGNORED
from stages.shared.training.encoders import MaskedLossModel, load_encoder, read_vocabulary
from stages.shared.training.feeding import to_device
from stages.shared.training.masking import MaskedBlocks, Vocabulary

MASK, PADDING, SIZE = 1, 2, 50
VOCABULARY = Vocabulary(MASK, PADDING, np.arange(3, SIZE))
WHOLE = [PHASES[1] | {"share": 1.0}]


def make_blocks(tokens, length, seed=1):
    return MaskedBlocks(np.asarray(tokens), np.array([0]), length, by_document=False, vocabulary=VOCABULARY, seed=seed)


@given(
    tokens=st.lists(st.sampled_from([0, *range(3, SIZE)]), min_size=2, max_size=80),
    length=st.integers(2, 30),
    seed=st.integers(0, 2**32),
)
def test_a_sixth_of_the_ordinary_tokens_is_hidden_whatever_the_batch(tokens, length, seed):
    data = make_blocks(tokens, length, seed)
    rows = list(range(len(data)))
    together = data.batch([*rows, len(data)])
    for row in rows:
        alone = data.batch([row])
        assert (alone.inputs[0] == together.inputs[row]).all()
        assert (alone.labels[0] == together.labels[row]).all()
        text = np.array(tokens[row * length : (row + 1) * length])
        read, wanted = alone.inputs[0][: len(text)], alone.labels[0][: len(text)]
        hidden = wanted != IGNORED
        ordinary = int((text >= 3).sum())
        assert hidden.sum() == min(ordinary, max(1, round(0.15 * ordinary)))
        assert (wanted[hidden] == text[hidden]).all()
        assert (text[hidden] >= 3).all(), "special tokens are never hidden"
        assert (read[~hidden] == text[~hidden]).all()
        assert set(read[hidden]) <= {MASK, *range(3, SIZE)}
        assert (alone.inputs[0][len(text) :] == PADDING).all()
    assert (together.labels[-1] == IGNORED).all()
    assert data.targets(0, len(data)) == max(1, (together.labels != IGNORED).sum())
    assert data.targets(0, len(data) + 5) == data.targets(0, len(data))


def test_of_the_hidden_tokens_four_in_five_are_masked_and_half_the_rest_exchanged():
    text = np.random.default_rng(0).integers(3, SIZE, 200_001)
    batch = make_blocks(text, 1000).batch(list(range(200)))
    hidden = batch.labels != IGNORED
    assert hidden.sum() == 30_000
    read, wanted = batch.inputs[hidden], batch.labels[hidden]
    assert (read == MASK).mean() == pytest.approx(0.8, abs=0.01)
    kept = (read == wanted).mean()
    assert kept == pytest.approx(0.1 + 0.1 / len(VOCABULARY.ordinary), abs=0.01)
    places = np.nonzero(hidden)[1]
    assert np.abs(np.bincount(places // 100) / 3000 - 1).max() < 0.1, "hidden all along the sequence"
    other = make_blocks(text, 1000, seed=2).batch([0])
    assert (other.labels[0] != batch.labels[0]).any()


@pytest.fixture(scope="module", params=["roberta", "bert"])
def encoder(request, tmp_path_factory):
    words = [f" word{number}" for number in range(40)]
    folder = encoders.save_encoder(tmp_path_factory.mktemp("encoder") / request.param, request.param, words)
    config = json.loads((folder / "config.json").read_text())
    # Dropout is drawn for each micro-batch, whose size would then change the losses.
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def tokens(encoder, tmp_path_factory):
    size = AutoConfig.from_pretrained(encoder).vocab_size - 3
    return make_tokens(tmp_path_factory.mktemp("tokens") / "tokens", vocabulary=size)


def test_the_loss_is_the_models_own(encoder):
    model, vocabulary = load_encoder(encoder, 16), read_vocabulary(encoder)
    text = np.random.default_rng(0).choice(vocabulary.ordinary, 60)
    data = MaskedBlocks(text, np.array([0]), 16, by_document=False, vocabulary=vocabulary, seed=1)
    batch = data.batch([0, 1, 2, 3])  # the last one is cut short, and filled
    inputs, labels = torch.from_numpy(batch.inputs), torch.from_numpy(batch.labels)
    assert len(data.batch([0, 1, 2]).arrays()) == 3, "no mask where nothing is padding"
    assert (inputs == vocabulary.padding_id).any()
    mask = (inputs != vocabulary.padding_id).long()
    with torch.no_grad():
        found = MaskedLossModel(model)(*to_device(batch, torch.device("cpu")))
        expected = model(input_ids=inputs, attention_mask=mask, labels=labels).loss * data.targets(0, 4)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_an_encoder_learns_and_keeps_its_form(encoder, tokens, tmp_path):
    masked = {"objective": "masked", "sequence_length": 16, "global_batch": 4}
    for size in (1, 4):
        run_case(encoder, tokens, tmp_path / str(size), {"micro_batch": size}, phases=WHOLE, **masked)
    found = losses(tmp_path / "1")
    assert found == pytest.approx(losses(tmp_path / "4"), abs=1e-4)
    assert np.mean(found[-3:]) < np.mean(found[:3])
    before, after = (load_file(folder / "model.safetensors") for folder in (encoder, tmp_path / "4"))
    assert {name: part.shape for name, part in before.items()} == {name: part.shape for name, part in after.items()}
    assert not [name for name in before if torch.equal(before[name], after[name])]
    _, loading = AutoModelForMaskedLM.from_pretrained(tmp_path / "4", output_loading_info=True)
    assert not loading["missing_keys"]


def test_only_tables_and_bias_in_their_phase(encoder, tokens, tmp_path):
    phases = [PHASES[0] | {"share": 1.0}]
    run_case(encoder, tokens, tmp_path / "out", phases=phases, objective="masked", validation_tokens=0)
    before, after = (load_file(folder / "model.safetensors") for folder in (encoder, tmp_path / "out"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.endswith("word_embeddings.weight") for name in changed)
    assert any(name.endswith("bias") for name in changed)
    assert {before[name].shape[0] for name in changed} == {AutoConfig.from_pretrained(encoder).vocab_size}


def test_interrupted_and_resumed_it_ends_with_the_same_bytes(encoder, tokens, tmp_path, monkeypatch):
    masked = {"objective": "masked", "sequence_length": 32, "phases": WHOLE, "validation_tokens": 0}
    run_case(encoder, tokens, tmp_path / "whole", **masked)
    take_step = loop.take_step

    def stop(training, module, weights, number, most_loss):
        if number == 2:
            raise KeyboardInterrupt
        return take_step(training, module, weights, number, most_loss)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", stop)
        with pytest.raises(KeyboardInterrupt):
            run_case(encoder, tokens, tmp_path / "out", {"checkpoint_seconds": 0.0}, **masked)
    assert run_case(encoder, tokens, tmp_path / "out", **masked)["resumed_at_step"] == 2
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")


def test_sequences_longer_than_the_positions_are_refused(encoder, tokens, tmp_path):
    with pytest.raises(UserError, match=r"sequence_length=73 is more than the \d\d positions"):
        run_case(encoder, tokens, tmp_path / "out", objective="masked", sequence_length=73)
