import hashlib
import json

import numpy as np
import pytest
import tiny_vectors as vectors
import tiny_vocabularies as tiny
import torch
from preset_mapping import preset
from scipy.sparse import load_npz
from tiny_decoders import save_decoder
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.settings import MappingSettings
from stages.map_embeddings.stage import map_embeddings
from stages.shared.token_text import load_vocabulary


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def inputs(tmp_path, request):
    base = tiny.make(tmp_path / "base", "byte_level", [" house", " boat", "s"])
    # More rows than tokens, as padded models have.
    save_decoder(base, 1, vocab_size=270, tie_word_embeddings=request.param)
    target = tiny.make(tmp_path / "target", "sentencepiece", [" huis", " boot", " huisje", " 漢"])
    (tmp_path / "alignment").mkdir()
    tiny.write_lines(tmp_path / "alignment" / "table.tsv", [("Ġhouse", "▁huis", 40), ("Ġboat", "▁boot", 11)])
    (tmp_path / "dictionary").mkdir()
    (tmp_path / "dictionary" / "dictionary.tsv").write_text("house\thuis\nboat\tboot\n")
    made = {"base_model": base, "tokenizer": target, "alignment": tmp_path / "alignment"}
    made["dictionary"] = tmp_path / "dictionary"
    for side, folder, names in (("source", base, ["house", "boat"]), ("target", target, ["huis", "boot"])):
        rows = vectors.drawn(load_vocabulary(folder))
        words = np.random.default_rng(1).standard_normal((2, rows.shape[1]))
        made[f"{side}_vectors"] = vectors.write(tmp_path / f"{side}_vectors", rows, names, words)
    return {**made, "token_vectors": made["target_vectors"]}


def run(method, inputs, out):
    settings = preset(method)
    used = {"table": "alignment"}
    wanted = {"base_model", "tokenizer", *(used.get(need, need) for need in settings.mapping.needs)}
    out.mkdir()
    return map_embeddings(settings, {name: inputs[name] for name in sorted(wanted)}, out, None)


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


def test_random_rows_follow_the_source_rows_and_the_head_draws_its_own(inputs, tmp_path):
    run("random", inputs, tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    old = AutoModelForCausalLM.from_pretrained(inputs["base_model"]).get_input_embeddings().weight[:264]
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert table.std().item() == pytest.approx(old.std().item(), rel=0.15)
    if not model.config.tie_word_embeddings:
        assert not torch.equal(table, head)


def test_figures_add_up(inputs, tmp_path):
    run("trans_tokenize", inputs, tmp_path / "out")
    described = json.loads((tmp_path / "out" / "mapping.json").read_text())
    assert sum(described["by"].values()) == described["tokens"]
    assert described["by"]["aligned"] == 2
    assert described["mapped_share"] == pytest.approx(1 - described["by"]["fallback"] / described["tokens"], abs=1e-6)


def test_settings_refuse_unknown_methods_and_options():
    with pytest.raises(ValueError, match="Did you mean 'mean'"):
        MappingSettings(method="meen", seed=1, warmup="none", options={})
    with pytest.raises(ValueError, match="unknown option 'min_cont'; missing option 'min_count'"):
        MappingSettings(method="trans_tokenize", seed=1, warmup="none", options={"min_cont": 3})
    assert MappingSettings(method="trans_tokenize", seed=1, warmup="none", options={"min_count": 3}).needs_alignment
    assert not MappingSettings(method="mean", seed=1, warmup="none", options={}).needs_alignment
