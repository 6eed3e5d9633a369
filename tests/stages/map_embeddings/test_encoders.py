"""Encoders: the input table, the masked head and its bias by token, mapped by the real stage."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_encoders as encoders
import tiny_vocabularies as tiny
import torch
from preset_mapping import preset
from safetensors.torch import load_file, save_file
from scipy.sparse import load_npz
from tiny_models import TEXTS
from transformers import AutoModelForMaskedLM, AutoTokenizer

from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.map_embeddings.apply import apply_initialization
from stages.map_embeddings.baselines import multivariate_normal
from stages.map_embeddings.initialization import MappingTask
from stages.map_embeddings.settings import MapEmbeddingsSettings
from stages.map_embeddings.stage import map_embeddings
from stages.shared.model_folder import open_model
from stages.shared.token_text import load_vocabulary

KINDS = ("roberta", "bert")
SOURCE = [" house", " boat", " x", "s", " 7", "."]
TARGET = [" huis", " boot", " x", "s", " 7", ".", " huisje", " één"]
CONVEX = ("aligned", "trans_tokenize", "subtoken_mean", "mean")
METHODS = (*CONVEX, "multivariate_normal", "random")


@pytest.fixture(params=[(kind, tied) for kind in KINDS for tied in (True, False)], ids=str)
def case(tmp_path, request):
    kind, tied = request.param
    base = encoders.save_encoder(tmp_path / "base", kind, SOURCE, tied)
    return kind, inputs_for(tmp_path, kind, base, TARGET)


def inputs_for(place, kind, base, words, name="target"):
    target = encoders.save_tokenizer(place / name, kind, words, "sentencepiece")
    style = encoders.STYLES[kind]
    rows = [(tiny.written(" house", style), "▁huis", 40), (tiny.written(" boat", style), "▁boot", 11)]
    (place / "alignment").mkdir(exist_ok=True)
    tiny.write_lines(place / "alignment" / "table.tsv", [*rows, (rows[1][0], "▁huis", 20)])
    return {"base_model": base, "tokenizer": target, "alignment": place / "alignment"}


def run(method, inputs, out):
    out.mkdir()
    settings = preset(method)
    if not settings.mapping.needs_alignment:
        inputs = {name: path for name, path in inputs.items() if name != "alignment"}
    map_embeddings(settings, inputs, out, Execution.model_construct(device="cpu"))
    return out


def loaded(folder):
    model, report = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    return model.eval()


def tables(model):
    """Return input rows, head rows and biases as arrays."""
    head = model.get_output_embeddings()
    return [part.detach().numpy() for part in (model.get_input_embeddings().weight, head.weight, head.bias)]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_an_encoder_that_loads_whole_and_runs(case, tmp_path, method):
    kind, inputs = case
    out = run(method, inputs, tmp_path / "out")
    old, model, tokenizer = loaded(inputs["base_model"]), loaded(out), AutoTokenizer.from_pretrained(out)
    head = model.get_output_embeddings()
    assert len(head.weight) == len(head.bias) == model.config.vocab_size == len(tokenizer)
    assert (head.weight is model.get_input_embeddings().weight) == old.config.tie_word_embeddings
    assert model.config.pad_token_id == tokenizer.pad_token_id == old.config.pad_token_id
    assert {role: getattr(tokenizer, f"{role}_token") for role in encoders.ROLES[kind]} == encoders.ROLES[kind]
    with torch.inference_mode():
        logits = model(**tokenizer(f" huis {tokenizer.mask_token}", " boot", return_tensors="pt")).logits
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("method", CONVEX)
def test_rows_and_biases_are_the_same_weighted_means(case, tmp_path, method):
    _, inputs = case
    out = run(method, inputs, tmp_path / "out")
    weights = load_npz(out / "token_mapping.npz")
    filled = np.asarray(weights.sum(axis=1)).ravel() > 0
    for new, old in zip(tables(loaded(out)), tables(loaded(inputs["base_model"])), strict=True):
        source = old[: weights.shape[1]]
        np.testing.assert_allclose(new[filled], (weights @ source)[filled], atol=1e-6)
        mean = np.broadcast_to(source.mean(axis=0), new[~filled].shape)
        np.testing.assert_allclose(new[~filled], mean, atol=1e-6)  # these methods' fallback, where unk is no row


@pytest.mark.parametrize("method", ["aligned", "subtoken_mean"])
def test_copied_tokens_among_copied_tokens_have_the_logits_of_the_source(case, tmp_path, method):
    _, inputs = case
    out = run(method, inputs, tmp_path / "out")
    weights = load_npz(out / "token_mapping.npz")
    copied = np.flatnonzero((np.diff(weights.indptr) == 1) & (weights.max(axis=1).toarray().ravel() == 1.0))
    partners = weights[copied].indices
    target = load_vocabulary(inputs["tokenizer"])
    assert {"▁x", "s", "▁7", target.roles["mask"], target.roles["cls"]} <= {target.tokens[row] for row in copied}
    new, old = loaded(out), loaded(inputs["base_model"])
    order = np.random.default_rng(1).integers(len(copied), size=30)
    # Padding is among them, which RoBERTa does not count: the positions of the others must be the same.
    with torch.inference_mode():
        found = new(input_ids=torch.from_numpy(copied[order])[None].long()).logits[0, :, copied]
        wanted = old(input_ids=torch.from_numpy(partners[order])[None].long()).logits[0, :, partners]
    assert torch.allclose(found, wanted, atol=1e-5)
    for fresh, source in zip(tables(new), tables(old), strict=True):
        np.testing.assert_array_equal(fresh[copied], source[partners])


def test_a_drawn_bias_belongs_to_its_row(tmp_path):
    """Where the source's biases follow from its rows, so do those that are drawn: the two are one vector."""
    words = [f" {first}{second}" for first in "abcdefgh" for second in "abcdefgh"]
    task = MappingTask(tiny.load(tmp_path / "s", "wordpiece", words), tiny.load(tmp_path / "t", "wordpiece", TARGET))
    generator = torch.Generator().manual_seed(1)
    table, slope = torch.randn(len(task.source), 8, generator=generator), torch.randn(8, generator=generator)
    rows, bias = apply_initialization(multivariate_normal(task), [table, table @ slope + 2], None, 1, False)
    drawn = np.flatnonzero(~task.target.special)
    assert rows[drawn].unique(dim=0).shape[0] == len(drawn)
    assert torch.allclose(bias[drawn], (rows @ slope + 2)[drawn], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["aligned", "subtoken_mean"])
def test_the_order_of_the_vocabulary_changes_nothing(tmp_path, kind, method):
    base = encoders.save_encoder(tmp_path / "base", kind, SOURCE)
    found = []
    for name, words in (("one", TARGET), ("two", TARGET[::-1])):
        inputs = inputs_for(tmp_path, kind, base, words, name)
        made = tables(loaded(run(method, inputs, tmp_path / f"{name}_out")))
        target = load_vocabulary(inputs["tokenizer"])
        order = [target.ids[token] for token in sorted(target.tokens)]
        found.append([table[order] for table in made])
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_what_an_old_checkpoint_stores_twice_is_replaced_twice(tmp_path):
    base = encoders.save_encoder(tmp_path / "base", "roberta", SOURCE)
    weights = load_file(base / "model.safetensors")
    weights["lm_head.decoder.weight"] = weights["roberta.embeddings.word_embeddings.weight"].clone()
    weights["lm_head.decoder.bias"] = weights["lm_head.bias"].clone()
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    out = run("subtoken_mean", inputs_for(tmp_path, "roberta", base, TARGET), tmp_path / "out")
    new = load_file(out / "model.safetensors")
    assert torch.equal(new["lm_head.decoder.weight"], new["roberta.embeddings.word_embeddings.weight"])
    assert torch.equal(new["lm_head.decoder.bias"], new["lm_head.bias"])
    assert len(new["lm_head.bias"]) == loaded(out).config.vocab_size


def test_positions_that_would_be_counted_from_another_id_are_refused(tmp_path):
    base = encoders.save_encoder(tmp_path / "base", "roberta", SOURCE)
    inputs = inputs_for(tmp_path, "roberta", base, TARGET)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"pad_token_id": 3}))
    with pytest.raises(UserError, match=r"padding token, 3, but the new tokenizer has <pad> at 1"):
        run("mean", inputs, tmp_path / "out")


def test_a_head_without_its_bias_is_no_whole_model(tmp_path):
    base = encoders.save_encoder(tmp_path / "base", "bert", SOURCE)
    weights = load_file(base / "model.safetensors")
    del weights["cls.predictions.bias"]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"no tensor 'cls\.predictions\.decoder\.bias'"):
        open_model(base)


UNIGRAM = {"method": "unigram", "tokens": 400, "window": 40, "max_bytes": 10**6, "pseudo_count": 0.5, "iterations": 5}
UNIGRAM |= {"strength": 1.0, "prior_shares": [0.0], "ridge": 1e-3, "threads": 1}


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "corpus").mkdir()
    columns = {"id": [str(number) for number in range(len(TEXTS))], "text": TEXTS}
    pq.write_table(pa.table(columns), tmp_path / "corpus" / "train.parquet")
    return tmp_path / "corpus"


def calibrate(inputs, corpus, out, **changes):
    out.mkdir()
    mapping = {"method": "subtoken_mean", "seed": 1, "options": {}, "warmup": "none"}
    distillation = load_config(["language=dutch"]).distillation
    values = {"mapping": mapping, "calibration": {**UNIGRAM, **changes}, "distillation": distillation}
    given = {name: inputs[name] for name in ("base_model", "tokenizer")} | {"corpus": corpus}
    settings = MapEmbeddingsSettings.model_validate(values)
    return map_embeddings(settings, given, out, Execution.model_construct(device="cpu"))


def test_calibration_moves_the_bias_alone_and_predicts_masked_tokens_better(case, corpus, tmp_path):
    _, inputs = case
    metrics = calibrate(inputs, corpus, tmp_path / "shifted")
    assert metrics["calibration_strength"] > 0
    assert metrics["calibration_loss_after"] < metrics["calibration_loss_before"]
    plain = tables(loaded(run("subtoken_mean", inputs, tmp_path / "plain")))
    shifted = tables(loaded(tmp_path / "shifted"))
    for part in (0, 1):
        np.testing.assert_array_equal(plain[part], shifted[part])
    assert not np.allclose(plain[2], shifted[2])


def test_a_padding_token_beyond_the_new_vocabulary_is_no_hindrance(corpus, tmp_path):
    base = encoders.save_encoder(tmp_path / "base", "bert", SOURCE, spare_rows=300)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"pad_token_id": config["vocab_size"] - 1}))
    metrics = calibrate(inputs_for(tmp_path, "bert", base, TARGET), corpus, tmp_path / "out")
    assert metrics["calibration_loss_after"] < metrics["calibration_loss_before"]


def test_a_window_longer_than_the_encoder_reads_is_refused(case, corpus, tmp_path):
    kind, inputs = case
    with pytest.raises(UserError, match=rf"calibration\.window=71 is more than the {68 if kind == 'roberta' else 70} "):
        calibrate(inputs, corpus, tmp_path / "out", window=71)
