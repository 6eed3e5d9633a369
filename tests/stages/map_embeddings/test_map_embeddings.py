import hashlib
import json

import numpy as np
import pytest
import tiny_vectors
import tiny_vocabularies as tiny
import torch
from scipy.sparse import load_npz
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from stages.map_embeddings.apply import fallback_rows
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.settings import MapEmbeddingsSettings, MappingSettings
from stages.map_embeddings.stage import map_embeddings
from stages.shared.token_text import load_vocabulary

OPTIONS = {
    "trans_tokenize": {"min_count": 10},
    "focus": {"match": "exact"},
    "omp": {"k": 8},
    "wechsel": {"neighbors": 10, "temperature": 0.1, "copy_wordless": True},
}


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def inputs(tmp_path, request):
    base = tiny.make(tmp_path / "base", "byte_level", [" house", " boat", "s"])
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=270,  # more rows than tokens, as padded models have
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        tie_word_embeddings=request.param,
    )
    LlamaForCausalLM(config).save_pretrained(base)
    target = tiny.make(tmp_path / "target", "sentencepiece", [" huis", " boot", " huisje", " 漢"])
    (tmp_path / "alignment").mkdir()
    tiny.write_lines(tmp_path / "alignment" / "table.tsv", [("Ġhouse", "▁huis", 40), ("Ġboat", "▁boot", 11)])
    (tmp_path / "dictionary").mkdir()
    (tmp_path / "dictionary" / "dictionary.tsv").write_text("house\thuis\nboat\tboot\n")
    folders = {"base_model": base, "tokenizer": target}
    found = {name: tiny_vectors.drawn(load_vocabulary(folder)) for name, folder in folders.items()}
    words = {"base_model": ["boat", "house"], "tokenizer": ["boot", "huis"]}
    for name, part in (("source", "base_model"), ("target", "tokenizer")):
        tiny_vectors.write(tmp_path / name / "vectors", found[part], words[part], found[part][3:5])
    tiny_vectors.write(tmp_path / "token_vectors", found["tokenizer"])
    vectors = {f"{name}_vectors": tmp_path / name / "vectors" for name in ("source", "target")}
    evidence = {"token_vectors": tmp_path / "token_vectors", "dictionary": tmp_path / "dictionary"}
    return {**folders, "alignment": tmp_path / "alignment", **evidence, **vectors}


def run(method, inputs, out):
    mapping = MappingSettings(method=method, seed=1, options=OPTIONS.get(method, {}))
    needed = {"base_model", "tokenizer", *("alignment" if need == "table" else need for need in mapping.needs)}
    given = {name: folder for name, folder in inputs.items() if name in needed}
    out.mkdir()
    return map_embeddings(MapEmbeddingsSettings(mapping=mapping), given, out, None)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("method", sorted(INIT_METHODS))
def test_every_method_gives_a_working_model_and_the_same_bytes_twice(inputs, tmp_path, method):
    metrics = run(method, inputs, tmp_path / "one")
    run(method, inputs, tmp_path / "two")
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "one")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "one")
    assert model.config.vocab_size == len(tokenizer) == model.get_input_embeddings().weight.shape[0]
    assert model.config.eos_token_id == tokenizer.eos_token_id
    logits = model(**tokenizer("huis boot", return_tensors="pt")).logits
    assert torch.isfinite(logits).all()
    assert metrics["tokens"] == len(tokenizer)


@pytest.mark.parametrize("method", ["trans_tokenize", "subtoken_mean"])
def test_rows_are_the_weighted_means_for_input_and_head(inputs, tmp_path, method):
    run(method, inputs, tmp_path / "out")
    weights = load_npz(tmp_path / "out" / "token_mapping.npz")
    filled = np.asarray(weights.sum(axis=1)).ravel() > 0
    np.testing.assert_allclose(np.asarray(weights.sum(axis=1)).ravel()[filled], 1.0)
    old = AutoModelForCausalLM.from_pretrained(inputs["base_model"])
    new = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    for part in ("get_input_embeddings", "get_output_embeddings"):
        source = getattr(old, part)().weight.detach().numpy()[: weights.shape[1]]
        table = getattr(new, part)().weight.detach().numpy()
        np.testing.assert_allclose(table[filled], (weights @ source)[filled], atol=1e-6)


def test_a_single_partner_is_copied_to_the_last_bit(inputs, tmp_path):
    run("trans_tokenize", inputs, tmp_path / "out")
    source, target = load_vocabulary(inputs["base_model"]), load_vocabulary(inputs["tokenizer"])
    old = AutoModelForCausalLM.from_pretrained(inputs["base_model"]).get_input_embeddings().weight
    new = AutoModelForCausalLM.from_pretrained(tmp_path / "out").get_input_embeddings().weight
    for token, partner in (("▁boot", "Ġboat"), ("<s>", "<s>"), ("<0x0A>", "Ċ")):
        assert torch.equal(new[target.ids[token]], old[source.ids[partner]])


@pytest.mark.parametrize("method", ["random", "multivariate_normal"])
def test_random_rows_follow_the_source_rows_and_the_head_draws_its_own(inputs, tmp_path, method):
    run(method, inputs, tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    old = AutoModelForCausalLM.from_pretrained(inputs["base_model"]).get_input_embeddings().weight[:264]
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert table.std().item() == pytest.approx(old.std().item(), rel=0.15)
    if not model.config.tie_word_embeddings:
        assert not torch.equal(table, head)


def test_only_the_multivariate_floor_keeps_the_mean_and_covariance():
    source = np.random.default_rng(1).standard_normal((500, 3)) @ np.array([[1, 0.9, 0], [0, 0.3, 0], [0, 0, 0.1]]) + 2
    source = source.astype(np.float32)
    plain = fallback_rows("independent", source, 20_000, None, [1])
    multivariate = fallback_rows("normal", source, 20_000, None, [1])
    np.testing.assert_allclose(plain.mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose(plain.std(axis=0), np.sqrt((source**2).mean()), rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(plain.T), np.eye(3), atol=0.03)
    np.testing.assert_allclose(multivariate.mean(axis=0), source.mean(axis=0), atol=0.04)
    np.testing.assert_allclose(np.cov(multivariate.T), np.cov(source.T), atol=0.05)


def test_the_floor_of_every_run_is_the_multivariate_one():
    assert MappingSettings(method="mean", seed=7, options={}).as_random().method == "multivariate_normal"


def test_figures_add_up(inputs, tmp_path):
    run("trans_tokenize", inputs, tmp_path / "out")
    described = json.loads((tmp_path / "out" / "mapping.json").read_text())
    assert sum(described["by"].values()) == described["tokens"]
    assert described["by"]["aligned"] == 2
    assert described["mapped_share"] == pytest.approx(1 - described["by"]["fallback"] / described["tokens"], abs=1e-6)


def test_settings_refuse_unknown_methods_and_options():
    with pytest.raises(ValueError, match="Did you mean 'mean'"):
        MappingSettings(method="meen", seed=1, options={})
    with pytest.raises(ValueError, match="unknown option 'min_cont'; missing option 'min_count'"):
        MappingSettings(method="trans_tokenize", seed=1, options={"min_cont": 3})
    assert MappingSettings(method="trans_tokenize", seed=1, options={"min_count": 3}).needs_alignment
    assert not MappingSettings(method="mean", seed=1, options={}).needs_alignment
