"""Two tiny models merged: exact at both ends, the mean between, refused where they do not fit."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from execution_here import here
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_decoders import save_with_words
from transformers import AutoModelForCausalLM

from pipeline.errors import UserError
from stages.merge_models import folders
from stages.merge_models.folders import merge_folders
from stages.merge_models.from_folders import main
from stages.merge_models.settings import MergeModelsSettings
from stages.merge_models.stage import merge_models
from stages.merge_models.weighted_mean import weighted_mean
from stages.shared.alignment_table import WordPair, write_table

WORDS = [" йорт", " зур", " китап", "лар"]
TABLES = ("model.embed_tokens.weight", "lm_head.weight")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return tuple(save_with_words(folder / name, "byte_level", WORDS, seed) for name, seed in (("one", 1), ("other", 2)))


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch):
    monkeypatch.setattr(folders, "BLOCK_NUMBERS", 100)  # three rows of the table


def weights(folder):
    return {name: tensor for path in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(path).items()}


def merged(pair, out, weight, tensors="all"):
    out.mkdir()
    merge_folders(*pair, weight, tensors, out)
    return weights(out)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("weight", [0, 1])
def test_either_end_is_either_model_bit_for_bit(pair, tmp_path, weight):
    found = merged(pair, tmp_path / "out", weight)
    assert same(found, weights(pair[weight]))
    assert (tmp_path / "out/model.safetensors").read_bytes() == (pair[weight] / "model.safetensors").read_bytes()


def test_half_is_the_mean_and_loads_as_a_model(pair, tmp_path):
    found, one, other = merged(pair, tmp_path / "out", 0.5), *map(weights, pair)
    for name, tensor in found.items():
        assert torch.equal(tensor, (one[name].float() + other[name].float()) / 2)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert torch.equal(model.get_input_embeddings().weight, found[TABLES[0]])
    assert (tmp_path / "out/tokenizer.json").read_bytes() == (pair[0] / "tokenizer.json").read_bytes()


def test_tables_alone_leave_the_first_models_body(pair, tmp_path):
    found, one, other = merged(pair, tmp_path / "out", 0.25, "tables"), *map(weights, pair)
    for name in found:
        wanted = weighted_mean(one[name], other[name], 0.25) if name in TABLES else one[name]
        assert torch.equal(found[name], wanted)
    assert not torch.equal(found[TABLES[0]], one[TABLES[0]])


def sharded(folder, out, dtype):
    """Write a model in two files of a type, and an index."""
    shutil.copytree(folder, out)
    (out / "model.safetensors").unlink()
    tensors = {name: tensor.to(dtype) for name, tensor in weights(folder).items()}
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[:5], "model-00002-of-00002.safetensors": names[5:]}
    for file, inside in parts.items():
        save_file({name: tensors[name] for name in inside}, out / file, {"format": "pt"})
    placed = {name: file for file, inside in parts.items() for name in inside}
    index = {"metadata": {"total_size": sum(one.nbytes for one in tensors.values())}, "weight_map": placed}
    (out / "model.safetensors.index.json").write_text(json.dumps(index))
    config = json.loads((out / "config.json").read_text()) | {"dtype": str(dtype).removeprefix("torch.")}
    (out / "config.json").write_text(json.dumps(config))
    return out


def test_several_files_in_bfloat16(pair, tmp_path):
    parts = [sharded(folder, tmp_path / folder.name, torch.bfloat16) for folder in pair]
    found, one, other = merged(parts, tmp_path / "out", 0.5), *map(weights, parts)
    assert len(list((tmp_path / "out").glob("*.safetensors"))) == 2
    for name, tensor in found.items():
        assert torch.equal(tensor, ((one[name].float() + other[name].float()) / 2).bfloat16())
    tables = merged(parts, tmp_path / "tables", 0.5, "tables")
    assert torch.equal(tables[TABLES[0]], found[TABLES[0]])
    AutoModelForCausalLM.from_pretrained(tmp_path / "out")


NUMBERS = st.lists(st.floats(-1e4, 1e4, width=16), min_size=1, max_size=8)


@given(NUMBERS, NUMBERS, st.floats(0, 1), st.sampled_from([torch.float16, torch.bfloat16, torch.float32]))
def test_the_mean_lies_between_and_equal_numbers_stay(ones, others, weight, dtype):
    size = min(len(ones), len(others))
    one, other = torch.tensor(ones[:size], dtype=dtype), torch.tensor(others[:size], dtype=dtype)
    mean = weighted_mean(one, other, weight)
    step = torch.finfo(dtype).eps * torch.maximum(one.abs(), other.abs())
    assert mean.dtype == dtype
    assert (mean >= torch.minimum(one, other) - step).all()
    assert (mean <= torch.maximum(one, other) + step).all()
    assert torch.equal(weighted_mean(one, one, weight), one)


def test_models_that_do_not_fit_are_refused_with_all_that_differs(pair, tmp_path):
    longer = save_with_words(tmp_path / "longer", "byte_level", [*WORDS, " ул"], 3)
    with pytest.raises(UserError, match=r"config\.json: vocab_size .*tensors .*lm_head\.weight .*vocabulary: sha256"):
        merged((pair[0], longer), tmp_path / "out", 0.5)
    assert not list((tmp_path / "out").iterdir())
    renamed = save_with_words(tmp_path / "renamed", "byte_level", [*WORDS[:3], " ул"], 3)
    with pytest.raises(UserError, match=r"they differ in vocabulary: sha256 \w{12} and \w{12}\. Give two models"):
        merged((pair[0], renamed), tmp_path / "again", 0.5)
    halved = sharded(pair[1], tmp_path / "halved", torch.float16)
    with pytest.raises(UserError, match=r"dtype \(float32 and float16\)"):
        merged((pair[0], halved), tmp_path / "third", 0.5)


def test_the_stage_weighs_by_the_evidence(pair, tmp_path):
    inputs = dict(zip(("model", "other"), pair, strict=True))
    for name, count in (("evidence", 30.0), ("other_evidence", 10.0)):
        (tmp_path / name).mkdir()
        write_table(tmp_path / name / "table.tsv", [WordPair("a", "b", -1.0, count / 2)] * 2)
        inputs[name] = tmp_path / name
    settings = MergeModelsSettings.model_validate(
        {"merging": {"method": "late", "weight": "evidence", "tensors": "all"}}
    )
    out = tmp_path / "out"
    out.mkdir()
    assert merge_models(settings, inputs, out, here())["weight"] == 0.25
    assert json.loads((out / "merging.json").read_text())["tensors"] == "all"
    one, other = map(weights, pair)
    assert torch.equal(weights(out)[TABLES[1]], weighted_mean(one[TABLES[1]], other[TABLES[1]], 0.25))
    write_table(tmp_path / "evidence/table.tsv", [])
    write_table(tmp_path / "other_evidence/table.tsv", [])
    with pytest.raises(UserError, match="no aligned words to weigh by"):
        merge_models(settings, inputs, out, here())


def test_the_command_merges_two_folders(pair, tmp_path, capsys):
    given = [*map(str, pair), "--out", str(tmp_path / "out"), "--weight", "0.5", "--tensors", "all"]
    assert main(given) == 0
    assert same(weights(tmp_path / "out"), merged(pair, tmp_path / "direct", 0.5))
    assert main(given) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*given[:3], str(tmp_path / "more"), "--weight", "2", "--tensors", "all"]) == 2
    assert "give a number from 0 to 1" in capsys.readouterr().err
    assert not Path(tmp_path / "more").exists()
