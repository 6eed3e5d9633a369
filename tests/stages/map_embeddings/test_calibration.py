"""Unigram calibration: the mean prediction meets the frequencies, and nothing else about a row changes."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_vocabularies as tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from preset_mapping import calibrated_preset, mapping_settings
from scipy.sparse import csr_matrix, load_npz
from tiny_models import TEXTS, save_tiny_model
from transformers import AutoModelForCausalLM

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.map_embeddings.calibrate_tables import calibrate
from stages.map_embeddings.calibration import calibrated, common_direction, fitted_bias, log_frequencies
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.initialization import ALIGNED, HOW, Initialization, MappingTask
from stages.map_embeddings.prior import lean, leaning
from stages.map_embeddings.running_text import read_running_text
from stages.map_embeddings.settings import UnigramCalibration
from stages.map_embeddings.stage import map_embeddings
from stages.map_embeddings.tables import TableMaker
from stages.map_embeddings.untrained_reading import open_reading
from stages.shared.document_encoder import load_encoder
from stages.shared.model_folder import open_model
from stages.shared.token_text import load_vocabulary

UNIGRAM = {
    "method": "unigram",
    "tokens": 400,
    "window": 40,
    "max_bytes": 10**6,
    "pseudo_count": 0.5,
    "iterations": 5,
    "strength": 1.0,
    "prior_shares": [0.0],
    "ridge": 1e-3,
    "threads": 1,
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    place = tmp_path_factory.mktemp("calibration")
    columns = {"id": [str(number) for number in range(len(TEXTS))], "text": TEXTS}
    (place / "corpus").mkdir()
    pq.write_table(pa.table(columns), place / "corpus" / "train.parquet")
    base, target = save_tiny_model(place / "base", seed=1), save_tiny_model(place / "target", size=310)
    return {"base_model": base, "tokenizer": target, "corpus": place / "corpus"}


def run(inputs, out, calibration):
    out.mkdir()
    mapping = {"method": "subtoken_mean", "seed": 1, "options": {}}
    settings = mapping_settings(mapping, calibration)
    metrics = map_embeddings(settings, inputs, out, Execution.model_construct(device="cpu"))
    return AutoModelForCausalLM.from_pretrained(out), metrics


def distance(model, text) -> float:
    """Return the Kullback-Leibler divergence of the mean prediction from the text's frequencies, nats."""
    with torch.inference_mode():
        mean = torch.softmax(model(torch.from_numpy(text.windows)).logits, dim=-1).mean(dim=(0, 1)).double()
    frequency = log_frequencies(torch.from_numpy(text.counts), 0.5)
    return float((frequency.exp() * (frequency - mean.log())).sum())


def test_the_untrained_model_predicts_tokens_as_often_as_they_occur(inputs, tmp_path):
    before, _ = run(inputs, tmp_path / "none", {"method": "none"})
    after, metrics = run(inputs, tmp_path / "unigram", UNIGRAM)
    text = read_running_text(inputs["corpus"], load_encoder(inputs["tokenizer"]), 10**6, 400, 40)
    assert distance(after, text) < 0.25 * distance(before, text)
    assert metrics["calibration"] == "unigram"
    assert metrics["calibration_strength"] == 1
    assert metrics["calibration_loss_after"] < metrics["calibration_loss_before"]
    assert metrics["calibration_seconds"] > 0
    # What was added has rank one: a bias for each token times one direction.
    rows = [model.get_output_embeddings().weight.detach() for model in (before, after)]
    values = torch.linalg.svdvals((rows[1] - rows[0]).double())
    assert values[1] < 1e-4 * values[0]
    if not before.config.tie_word_embeddings:
        assert torch.equal(*(model.get_input_embeddings().weight for model in (before, after)))


def test_a_padding_token_beyond_the_new_vocabulary_is_no_hindrance(inputs, tmp_path):
    base = shutil.copytree(inputs["base_model"], tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"pad_token_id": config["vocab_size"] - 1}))
    _, wanted = run(inputs, tmp_path / "without", UNIGRAM)
    _, found = run(inputs | {"base_model": base}, tmp_path / "with", UNIGRAM)
    assert found["calibration_loss_after"] == wanted["calibration_loss_after"]


def test_of_the_default_all_rows_copies_too_move_along_one_direction(inputs, tmp_path):
    """What the weights say of a row holds but for this: bytes, numbers and special tokens are no exact copies."""
    (tmp_path / "alignment").mkdir()
    tiny.write_lines(tmp_path / "alignment" / "table.tsv", [("Ġhuis", "Ġhuis", 40), ("Ġboom", "Ġtuin", 20)])
    settings = calibrated_preset(prior_shares=[0.5], strength=1.0)
    (tmp_path / "out").mkdir()
    given = {**inputs, "alignment": tmp_path / "alignment"}
    map_embeddings(settings, given, tmp_path / "out", Execution.model_construct(device="cpu"))
    new, base = open_model(tmp_path / "out"), open_model(inputs["base_model"])
    weights = load_npz(tmp_path / "out" / "token_mapping.npz")
    names = (base.input_name, base.head_name)
    means = {name: weights @ base.read(name).double().numpy()[: weights.shape[1]] for name in names}
    np.testing.assert_allclose(new.read(new.input_name), means[new.input_name], atol=1e-6)  # not tied: read as before
    moved = new.read(new.head_name).double().numpy() - means[new.head_name]
    values = np.linalg.svd(moved, compute_uv=False)
    assert values[1] < 1e-4 * values[0]
    target = load_vocabulary(inputs["tokenizer"])
    how = np.load(tmp_path / "out" / "how.npy")
    for token in ("<s>", "</s>", "1", "."):
        row = target.ids[token]
        assert HOW[how[row]] == "copied"
        assert weights[row].data.tolist() == [1.0]
        assert np.linalg.norm(moved[row]) > 1e-3 * np.linalg.norm(moved) / len(moved) ** 0.5


@given(st.integers(0, 10**6))
def test_the_bias_meets_the_frequencies_to_a_per_cent(seed):
    generator = torch.Generator().manual_seed(seed)
    hidden, head = torch.randn(60, 8, generator=generator), torch.randn(20, 8, generator=generator)
    counts = torch.randint(0, 50, (20,), generator=generator)
    wanted = log_frequencies(counts, 0.5)
    bias = fitted_bias(hidden, head, wanted, iterations=60)
    mean = torch.softmax(hidden @ head.T + bias, dim=-1).mean(dim=0)
    np.testing.assert_allclose(mean.numpy(), wanted.exp().numpy(), rtol=0.02, atol=1e-5)
    assert float((bias * wanted.exp()).sum()) == pytest.approx(0, abs=1e-4)


def test_the_sums_are_made_where_the_states_are():
    """On a device that computes nothing: a tensor of the processor's among the others would be an error."""
    hidden, head = torch.empty(600, 8, device="meta"), torch.empty(20, 8, device="meta")
    assert fitted_bias(hidden, head, log_frequencies(torch.ones(20), 0.5), iterations=2).device.type == "meta"


@pytest.mark.gpu
def test_a_gpu_calibrates_as_a_processor_does(inputs, tmp_path):
    written, figures = [], []
    for device in ("cpu", "cuda"):
        mapping = {"method": "subtoken_mean", "seed": 1, "options": {}}
        (tmp_path / device).mkdir()
        metrics = map_embeddings(
            mapping_settings(mapping, UNIGRAM), inputs, tmp_path / device, Execution.model_construct(device=device)
        )
        model = open_model(tmp_path / device)
        written.append(model.read(model.head_name))
        figures.append([metrics["calibration_loss_before"], metrics["calibration_loss_after"]])
    torch.testing.assert_close(*written, rtol=1e-3, atol=1e-5)
    assert figures[0] == pytest.approx(figures[1], abs=1e-4)


def test_the_direction_turns_a_bias_into_a_shift_of_rows():
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(200, 16, generator=generator) + 3
    direction = common_direction(hidden, ridge=1e-6)
    assert float((hidden @ direction).mean()) == pytest.approx(1, abs=0.05)
    table, bias = torch.randn(5, 16, generator=generator), torch.tensor([1.0, -2.0, 0.0, 3.0, 0.5])
    shifted = hidden @ (calibrated(table, bias, direction) - table).T
    assert torch.allclose(shifted.mean(dim=0), bias, atol=0.2)
    assert calibrated(table.bfloat16(), bias, direction).dtype == torch.bfloat16


def test_too_little_text_says_what_to_do(inputs):
    with pytest.raises(UserError, match=r"less than calibration\.window=100000"):
        read_running_text(inputs["corpus"], load_encoder(inputs["tokenizer"]), 10**6, 400, 100000)


def test_the_share_of_the_prior_with_which_the_text_is_predicted_best_is_taken(inputs, monkeypatch):
    source, target = load_vocabulary(inputs["base_model"]), load_vocabulary(inputs["tokenizer"])
    places = (range(len(target)), [9] * len(target))
    nonsense = csr_matrix((np.ones(len(target)), places), shape=(len(target), len(source)))
    spelled = INIT_METHODS["subtoken_mean"](MappingTask(source, target))
    mapped = Initialization(nonsense, "mean", np.full(len(target), ALIGNED, np.int8), prior=spelled)
    model = open_model(inputs["base_model"])
    maker = TableMaker(model, source, 1)
    settings = UnigramCalibration.model_validate(UNIGRAM | {"prior_shares": [0.0, 0.5, 1.0]})
    reading, read = open_reading(model, settings, inputs, "cpu"), []
    plain = reading.reader.hidden_states
    monkeypatch.setattr(reading.reader, "hidden_states", lambda table: [read.append(1), plain(table)][1])
    leant = lean(mapped, maker, reading, settings)
    tables, found = leant.tables, leant.figures
    calibrate(tables, leant.states, reading, settings)
    assert len(read) == 3  # the text is long, and the chosen share's states are kept; this head is not tied
    by_hand = {share: reading.loss(maker.make(leaning(mapped, share))) for share in settings.prior_shares}
    assert found == {"share": min(by_hand, key=by_hand.get)} | {f"loss_{s:g}": loss for s, loss in by_hand.items()}
    assert len(set(by_hand.values())) == 3
    assert reading.loss(tables) == min(by_hand.values())
    assert torch.equal(leant.states, reading.states(tables))
    assert (leant.initialization.weights != leaning(mapped, found["share"]).weights).nnz == 0
    given = lean(mapped, maker, reading, settings.model_copy(update={"prior_shares": (0.5,)}))
    assert given.figures == {"share": 0.5}
    assert (given.initialization.weights != leaning(mapped, 0.5).weights).nnz == 0
