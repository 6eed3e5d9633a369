"""The trained warm-up: new rows come nearer to the source model's hidden states, and nothing else changes."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from preset_mapping import mapping_settings
from tiny_models import TEXTS, save_tiny_model
from transformers import AutoConfig, AutoModelForCausalLM

from pipeline.errors import UserError
from pipeline.provenance import ROOT
from pipeline.stage import Execution
from stages.map_embeddings.distillation import training_dtype
from stages.map_embeddings.frozen_model import reading_dtype
from stages.map_embeddings.matched_text import Side, batches, cut, read_passages, split_at, token_ends
from stages.map_embeddings.stage import map_embeddings
from stages.shared.document_encoder import load_encoder
from stages.shared.token_text import load_vocabulary

SMALL = {"tokens": 900, "measured_tokens": 200, "window": 32, "batch_tokens": 80, "threads": 1}
NONE = {"method": "none"}


@pytest.fixture(scope="module", params=["tied", "untied"])
def inputs(tmp_path_factory, request):
    place = tmp_path_factory.mktemp("warmup")
    columns = {"id": [str(number) for number in range(len(TEXTS))], "text": TEXTS}
    (place / "corpus").mkdir()
    pq.write_table(pa.table(columns), place / "corpus" / "train.parquet")
    base = save_tiny_model(place / "base", seed=1)
    if request.param == "tied":
        config = AutoConfig.from_pretrained(base, tie_word_embeddings=True)
        torch.manual_seed(1)
        AutoModelForCausalLM.from_config(config).save_pretrained(base)
    # Fewer tokens for the same text, so that the two end tokens at different places.
    return {"base_model": base, "tokenizer": save_tiny_model(place / "target", size=290), "corpus": place / "corpus"}


def settings(warmup="distill", calibration=NONE, **changes):
    mapping = {"method": "multivariate_normal", "seed": 1, "warmup": warmup, "options": {}}
    return mapping_settings(mapping, calibration, **{**SMALL, **changes})


def run(inputs, out, **changes):
    out.mkdir()
    metrics = map_embeddings(settings(**changes), inputs, out, Execution.model_construct(device="cpu"))
    return AutoModelForCausalLM.from_pretrained(out), metrics


def tables(model):
    return model.get_input_embeddings().weight, model.get_output_embeddings().weight


def ids_of_the_text(inputs):
    encoder = load_encoder(inputs["tokenizer"])
    return sorted({row for ids in encoder.encode(TEXTS) for row in ids})


def test_rows_of_the_text_come_nearer_to_the_source_models_states_and_nothing_else_changes(inputs, tmp_path):
    before, untouched = run(inputs, tmp_path / "none", warmup="none")
    after, metrics = run(inputs, tmp_path / "distill", next_token_weight=0, learning_rate=1e-2)
    assert metrics["warmup_hidden_loss_after"] < 0.9 * metrics["warmup_hidden_loss_before"]
    assert metrics["warmup_seconds"] > 0
    assert metrics["warmup_tokens"] >= 900
    assert not [name for name in untouched if name.startswith("warmup")]
    moved = (tables(after)[0] != tables(before)[0]).any(dim=1).nonzero().flatten().tolist()
    assert moved
    assert set(moved) <= set(ids_of_the_text(inputs))
    if not before.config.tie_word_embeddings:
        assert torch.equal(tables(after)[1], tables(before)[1])
    embedded = {id(weight) for weight in tables(after)}
    old = dict(before.named_parameters())
    body = [name for name, weight in after.named_parameters() if id(weight) not in embedded]
    assert body
    assert all(torch.equal(dict(after.named_parameters())[name], old[name]) for name in body)


def test_the_next_token_is_learned_too_where_it_has_a_weight(inputs, tmp_path):
    before, _ = run(inputs, tmp_path / "none", warmup="none")
    after, metrics = run(inputs, tmp_path / "distill", next_token_weight=1, learning_rate=1e-2)
    assert metrics["warmup_next_token_loss_after"] < metrics["warmup_next_token_loss_before"] - 0.5
    assert not torch.equal(tables(after)[1], tables(before)[1])


def test_calibrated_rows_are_what_is_warmed_up(inputs, tmp_path):
    unigram = yaml.safe_load((ROOT / "conf" / "calibration" / "unigram.yaml").read_text())
    unigram |= {"tokens": 400, "window": 40, "threads": 1}
    _, alone = run(inputs, tmp_path / "alone", warmup="none", calibration=unigram)
    _, both = run(inputs, tmp_path / "both", calibration=unigram)
    assert alone["calibration_loss_after"] == both["calibration_loss_after"]
    assert "warmup_hidden_loss_after" in both


def test_the_same_settings_give_the_same_bytes(inputs, tmp_path):
    for name in ("one", "two"):
        run(inputs, tmp_path / name)
    for file in ("model.safetensors", "mapping.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_fewer_layers_are_run_and_the_model_that_is_written_has_all(inputs, tmp_path):
    after, metrics = run(inputs, tmp_path / "one", layers=1, next_token_weight=0, learning_rate=1e-2)
    assert after.config.num_hidden_layers == 2
    assert metrics["warmup_hidden_loss_after"] < metrics["warmup_hidden_loss_before"]
    assert "warmup_next_token_loss_after" not in metrics
    with pytest.raises(UserError, match=r"distillation\.layers=3: LlamaForCausalLM has 2 layers"):
        run(inputs, tmp_path / "three", layers=3, next_token_weight=0)


def test_a_loss_that_is_not_finite_and_too_little_text_say_what_to_do(inputs, tmp_path):
    with pytest.raises(UserError, match=r"not finite at step \d+ of \d+; lower distillation\.learning_rate=1e\+30"):
        run(inputs, tmp_path / "wild", learning_rate=1e30, next_token_weight=1)
    with pytest.raises(UserError, match=r"too few for distillation\.measured_tokens=1000000"):
        run(inputs, tmp_path / "short", measured_tokens=10**6)


@pytest.mark.parametrize(
    ("stored", "device", "read", "trained"),
    [
        (torch.float16, "cuda", torch.float16, torch.bfloat16),
        (torch.bfloat16, "cuda", torch.bfloat16, torch.bfloat16),
        (torch.float32, "cuda", torch.float32, torch.float32),
        (torch.float16, "cpu", torch.float32, torch.float32),
    ],
)
def test_gradients_never_go_through_float16_which_would_lose_the_smallest(stored, device, read, trained):
    assert reading_dtype(stored, device) == read
    assert training_dtype(stored, device) == trained


def test_a_recipe_without_a_warm_up_does_not_name_it():
    assert set(settings(warmup="none").identity()) == {"mapping", "calibration"}
    assert settings(warmup="none", tokens=7).identity() == settings(warmup="none").identity()
    assert "warmup" not in settings(warmup="none").identity()["mapping"]
    assert settings(tokens=7).identity()["distillation"]["tokens"] == 7
    with pytest.raises(ValueError, match="only the last layer predicts"):
        settings(layers=3, next_token_weight=0.1)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    place = tmp_path_factory.mktemp("sides")
    folders = save_tiny_model(place / "large"), save_tiny_model(place / "small", size=280)
    return [Side(load_vocabulary(folder), 0, most) for folder, most in zip(folders, (20, 12), strict=True)]


@given(st.lists(st.text(alphabet="een huis tuinéë\nß漢", max_size=80), max_size=4))
def test_matched_tokens_have_read_the_same_bytes(sides, texts):
    large, small = sides
    passages = list(read_passages(texts, large, small))
    read = b"".join(text_of(small, passage.target) for passage in passages)
    assert read == "".join(texts).encode()
    for passage in passages:
        assert len(passage.source) <= 20
        assert len(passage.target) <= 12
        assert text_of(large, passage.source) == text_of(small, passage.target)
        for one, other in zip(passage.source_places, passage.target_places, strict=True):
            assert text_of(large, passage.source[: one + 1]) == text_of(small, passage.target[: other + 1])


def text_of(side, ids):
    return b"".join(side.vocabulary.text[row] for row in ids[1:])


def test_text_that_the_tokens_do_not_give_back_has_no_ends(sides):
    vocabulary = sides[0].vocabulary
    (ids,) = vocabulary.encode(["een huis"])
    assert token_ends(vocabulary, ids, "een huis").tolist()[-1] == 8
    assert token_ends(vocabulary, ids, "Een huis") is None
    assert token_ends(vocabulary, next(vocabulary.encode([" een"])), "een").tolist()[-1] == 3


def test_a_stretch_without_a_common_end_is_passed_over():
    read = np.array([[0, 1, 2, 3, 9], [0, 2, 4, 5, 6]])
    assert list(cut(read, np.array([4, 4]))) == [(0, 2), (2, 3)]


def test_batches_are_of_like_length_and_hold_every_passage_once(sides):
    passages = list(read_passages(TEXTS, *sides))
    found = batches(passages, 48)
    assert sorted(id(passage) for batch in found for passage in batch) == sorted(map(id, passages))
    assert max(len(batch) * max(max(len(one.source), len(one.target)) for one in batch) for batch in found) <= 48
    first, rest = split_at(passages, 30)
    assert 30 <= sum(len(passage.target) for passage in first) < 30 + 12
    assert len(first) + len(rest) == len(passages)
