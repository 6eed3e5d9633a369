"""probe_initialization on a tiny random Llama: the choice of the rate changes nothing else, and bad rates lose."""

import json
import shutil

import numpy as np
import pytest
import tiny_vocabularies as tiny
import yaml
from tiny_models import TEXTS, save_test_split, save_tiny_model

from pipeline.errors import UserError
from pipeline.provenance import ROOT
from pipeline.stage import Execution
from stages.probe_initialization.held_out import read_held_out
from stages.probe_initialization.settings import ProbeInitializationSettings, ProbeSettings
from stages.probe_initialization.stage import probe_initialization
from stages.probe_initialization.trial import same_place
from stages.shared.document_encoder import load_encoder
from stages.shared.token_shard import TokenShard

EXECUTION = Execution.model_construct(device="cpu", micro_batch=1)
SMALL = {
    "steps": 6,
    "measured_steps": [1, 4],
    "step_tokens": 32,
    "learning_rates": [1e-3, 1e-2],
    "selection_steps": [2, 3],
    "selection_bytes": 500,
    "warmup_steps": 1,
    "threads": 1,
    "domain_bytes": 800,
    "document_bytes": 200,
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Return model, corpus and packed tokens; validation and test are halves of the text."""
    place = tmp_path_factory.mktemp("probe")
    model, corpus = save_tiny_model(place / "model", positions=512), save_test_split(place / "corpus", TEXTS[::2])
    save_test_split(place / "other", TEXTS[1::2])
    (place / "other" / "test.parquet").rename(corpus / "validation.parquet")
    tokens = place / "tokens"
    tokens.mkdir()
    rows = load_encoder(model).encode(TEXTS)
    starts = np.cumsum([0, *map(len, rows)])[:-1]
    np.concatenate(rows).astype("<u2").tofile(tokens / "train.bin")
    np.save(tokens / "train_starts.npy", starts)
    (tokens / "tokens.json").write_text(json.dumps({"dtype": "uint16", "vocabulary_size": 320}))
    return {"model": model, "corpus": corpus, "tokens": tokens}


VALUES = yaml.safe_load((ROOT / "conf" / "leaderboard" / "default.yaml").read_text())["probe"]


def probe(inputs, out, other_domain=None, **changes) -> dict:
    out.mkdir(parents=True)
    settings = ProbeInitializationSettings(probe={**VALUES, **SMALL, **changes}, seed=1, other_domain=other_domain)
    probe_initialization(settings, inputs, out, EXECUTION)
    return json.loads((out / "probe.json").read_text())


@pytest.mark.parametrize("mode", ["embeddings", "all"])
def test_the_chosen_rate_gives_what_it_gives_alone(inputs, tmp_path, mode):
    chosen = probe(inputs, tmp_path / "three", mode=mode, learning_rates=[1e-3, 1e-2, 3e-3])
    alone = probe(inputs, tmp_path / "one", mode=mode, learning_rates=[chosen["learning_rate"]])
    again = probe({**inputs, "chosen": tmp_path / "three"}, tmp_path / "again", mode=mode)
    assert [entry["step"] for entry in chosen["selection"]] == [2, 2, 2, 3, 3]
    first, last = chosen["selection"][:3], chosen["selection"][3:]
    assert first[0]["bits_per_byte"] > min(entry["bits_per_byte"] for entry in first)
    assert [entry["learning_rate"] for entry in last] == [3e-3, 1e-2]
    best = min(last, key=lambda entry: entry["bits_per_byte"])
    assert best["learning_rate"] == chosen["learning_rate"]
    assert chosen["domains"] == alone["domains"] == again["domains"]
    assert chosen["training_loss"] == alone["training_loss"]
    assert len(chosen["training_loss"]) == 6


def test_rates_are_compared_on_validation_text_alone(inputs, tmp_path):
    """With the loss on the test split the best rate of a training would be known from what it is judged on."""
    found = probe(inputs, tmp_path / "out")
    changed = tmp_path / "corpus"
    shutil.copytree(inputs["corpus"], changed)
    save_test_split(changed, TEXTS[:3])
    again = probe({**inputs, "corpus": changed}, tmp_path / "again")
    assert again["selection"] == found["selection"]
    assert again["domains"]["own"]["documents"] != found["domains"]["own"]["documents"]


def test_only_the_lowest_rate_goes_before_the_end(inputs, tmp_path):
    """A rate that is too high for the first steps is compared at the end all the same."""
    found = probe(inputs, tmp_path / "out", learning_rates=[1e-3, 3e-3, 3.0])
    first, last = found["selection"][:3], found["selection"][3:]
    assert max(first, key=lambda entry: entry["bits_per_byte"])["learning_rate"] == 3.0
    assert [(entry["learning_rate"], entry["step"]) for entry in last] == [(3e-3, 3), (3.0, 3)]


def test_training_helps_and_every_mark_is_measured(inputs, tmp_path):
    found = probe(inputs, tmp_path / "out")
    points = found["domains"]["own"]["bits_per_byte"]
    assert list(points) == ["0", "1", "4", "end"]
    assert points["0"] > points["1"] > points["4"] > points["end"]
    assert found["steps"] == [0, 1, 4, 6]
    losses = np.array(found["domains"]["own"]["nll"]["end"])
    assert losses.sum() / np.log(2) / sum(found["domains"]["own"]["bytes"]) == pytest.approx(points["end"], abs=1e-6)


def test_a_rate_that_diverges_loses_and_alone_is_an_error(inputs, tmp_path):
    found = probe(inputs, tmp_path / "out", learning_rates=[1e30, 1e-3])
    assert found["learning_rate"] == 1e-3
    assert found["selection"][1] == {"learning_rate": 1e30, "step": 2, "bits_per_byte": None}
    with pytest.raises(UserError, match=r"not finite before step \d at learning rate 1e\+30"):
        probe(inputs, tmp_path / "alone", learning_rates=[1e30])


def test_too_little_text_is_an_error_that_says_what_to_do(inputs, tmp_path):
    with pytest.raises(UserError, match="too few for 4000 steps"):
        probe(inputs, tmp_path / "out", steps=4000)


def test_odd_and_even_lines_of_another_domain_are_scored_apart(inputs, tmp_path):
    text = tmp_path / "lines.txt"
    text.write_text("\n".join(TEXTS[:6]) + "\n")
    places = {}
    for lines in ("odd", "even", "all"):
        other = {"path": text, "sha256": None, "lines": lines, "first_line": 1, "passage_lines": 2}
        found = probe(inputs, tmp_path / lines, other, steps=5, learning_rates=[1e-3], domain_bytes=100000)
        places[lines] = found["domains"]["other"]["documents"]
    assert places["odd"] == ["line 1", "line 3", "line 5"]
    assert places["even"] == ["line 2", "line 4", "line 6"]
    assert places["all"] == sorted(places["odd"] + places["even"])
    assert found["domains"]["other"]["groups"] == [f"passage {number}" for number in (1, 1, 2, 2, 3, 3)]


def test_tokens_that_hide_text_are_counted(inputs, tmp_path):
    words = tiny.make(tmp_path, "wordpiece", [" een", " huis"])
    settings = ProbeSettings(**VALUES | SMALL)
    for folder, some in ((inputs["model"], False), (words, True)):
        own = read_held_out(inputs["corpus"], None, settings, load_encoder(folder))["own"]
        assert ("unknown_tokens" in own.described()) is some


def test_another_tokenizer_reads_the_same_text_to_the_same_share_of_a_document():
    one = TokenShard(np.zeros(30), np.array([0, 10, 20]), {})
    other = TokenShard(np.zeros(66), np.array([0, 40, 60]), {})
    assert [same_place(one, other, tokens) for tokens in (5, 10, 15, 20, 30, 99)] == [20, 40, 50, 60, 66, 66]


def test_the_budget_is_kept_however_long_the_last_document_is(inputs, tmp_path):
    assert probe(inputs, tmp_path / "out", learning_rates=[1e-3])["tokens_per_step"] == 32


def test_long_text_for_a_short_model_makes_more_sequences_not_fewer_steps(inputs, tmp_path):
    found = probe(inputs, tmp_path / "out", learning_rates=[1e-3])
    short = {**inputs, "model": save_tiny_model(tmp_path / "short", positions=40)}
    assert probe(short, tmp_path / "short_out", learning_rates=[1e-3])["steps"] == found["steps"]


def test_settings_that_cannot_be_measured_are_refused():
    values = yaml.safe_load((ROOT / "conf" / "leaderboard" / "default.yaml").read_text())["probe"]
    for wrong, said in (
        ({"measured_steps": [25, 10]}, "must rise"),
        ({"measured_steps": [60]}, "before the last"),
        ({"selection_steps": [61]}, "not pass the 60 steps"),
    ):
        with pytest.raises(ValueError, match=said):
            ProbeInitializationSettings(probe={**values, **wrong}, seed=1, other_domain=None)
