"""A training looked at while it goes on: the figures are right, and the training is the same as without."""

import json
import math
import signal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import TEXTS, save_tiny_model
from training_case import hashes, make_tokens, run_case, signalling
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from wandb_records import offline, records, rows

from pipeline.errors import OutOfTime
from stages.continue_pretraining import loop
from stages.continue_pretraining.journal import FILES
from stages.continue_pretraining.speed import flops_per_token
from stages.continue_pretraining.watcher import BATCH_WINDOWS, cut_text
from stages.shared.document_encoder import load_encoder
from stages.shared.held_out_text import write_texts
from stages.shared.scoring.nll import score_documents
from stages.shared.training.batches import IGNORED

WATCH = {
    "every_steps": 5,
    "text": {"bytes": 1, "document_bytes": 1, "seed": 1},
    "prompts": ["een huis", "Document 1:"],
    "max_new_tokens": 4,
}
SOURCE = ["A house with a garden.", "And one tree\u2028 in it."]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("watched") / "model")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return make_tokens(tmp_path_factory.mktemp("watched") / "tokens", vocabulary=320)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folders = {}
    for name, documents in (("target", TEXTS[:5]), ("source", SOURCE)):
        folders[f"held_out_{name}"] = tmp_path_factory.mktemp(name)
        write_texts(folders[f"held_out_{name}"], [(str(number), text) for number, text in enumerate(documents)])
    return folders


@pytest.fixture(scope="module")
def watched(model, tokens, texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("watched") / "out"
    execution = {"logs": out.parent / "logs", "peak_flops_per_second": 1e9}
    run_case(model, tokens, out, execution, texts, watch=WATCH)
    return out


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_each_text_is_scored_before_between_and_after(watched, model, texts):
    lines = read_lines(watched / "held_out.jsonl")
    assert [(line["step"], line["text"]) for line in lines] == [
        (step, name) for step in (0, 5, 10, 15, 16) for name in ("target", "source")
    ]
    for place, folder in ((0, model), (-1, watched)):  # as the evaluation scores the same model
        loaded = AutoModelForCausalLM.from_pretrained(folder)
        ids = load_encoder(folder).encode(SOURCE)
        nll = score_documents(loaded, ids, window=8, batch_tokens=64).sum()
        line = [line for line in lines if line["text"] == "source"][place]
        assert line["loss"] == pytest.approx(nll / sum(len(row) - 1 for row in ids), rel=1e-5)
        size = sum(len(text.encode()) for text in SOURCE)
        assert line["bits_per_byte"] == pytest.approx(nll / math.log(2) / size, rel=1e-5)


def test_prompts_are_continued(watched):
    lines = read_lines(watched / "samples.jsonl")
    assert len(lines) == 5 * len(WATCH["prompts"])
    assert {line["prompt"] for line in lines} == set(WATCH["prompts"])
    assert lines[0]["continuation"] != lines[-2]["continuation"]


def test_looking_changes_nothing_of_the_training(watched, model, tokens, tmp_path):
    run_case(model, tokens, tmp_path / "out")
    seen, unseen = hashes(watched), hashes(tmp_path / "out")
    assert set(seen) - set(unseen) == {"held_out.jsonl", "samples.jsonl"}
    assert {name: seen[name] for name in unseen} == unseen


@pytest.mark.parametrize("step", [5, 7])
def test_a_training_stopped_at_a_look_or_between_two_is_looked_at_as_often(
    watched, model, tokens, texts, tmp_path, monkeypatch, step
):
    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", signalling(signal.SIGUSR1, step))
        with pytest.raises(OutOfTime):
            run_case(model, tokens, tmp_path / "out", {}, texts, watch=WATCH)
    steps = [line["step"] for line in read_lines(tmp_path / "out" / "held_out.jsonl")]
    assert max(steps) == (0 if step == 5 else 5)
    run_case(model, tokens, tmp_path / "out", {}, texts, watch=WATCH)
    assert hashes(tmp_path / "out") == hashes(watched)


def test_weights_and_biases_is_told_all_of_it_and_after_a_stop_at_a_look_that_too(
    watched, model, tokens, texts, tmp_path, monkeypatch
):
    offline(monkeypatch, tmp_path)
    tracking = tmp_path / "wandb"
    execution = {"tracking": tracking, "peak_flops_per_second": 1e6}  # of a busy machine too, MFU is not rounded to 0
    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", signalling(signal.SIGUSR1, 5))
        with pytest.raises(OutOfTime):
            run_case(model, tokens, tmp_path / "out", execution, texts, watch=WATCH)
    run_case(model, tokens, tmp_path / "out", execution, texts, watch=WATCH)
    assert hashes(tmp_path / "out") == hashes(watched)
    told, metrics = rows(tracking), read_lines(watched / "metrics.jsonl")
    steps = [row for row in told if "loss" in row]
    assert [{name: row[name] for name in metrics[0]} for row in steps] == metrics
    assert {"loss", "learning_rate", "embedding_learning_rate", "grad_norm", "tokens"} <= metrics[0].keys()
    assert all(row[name] > 0 for row in steps for name in ("seconds", "tokens_per_s", "mfu", "peak_memory_gb"))
    looks = {
        (row["step"], name): row[f"held_out/{name}_bits_per_byte"]
        for row in told
        for name in ("target", "source")
        if f"held_out/{name}_bits_per_byte" in row
    }
    assert looks == {
        (line["step"], line["text"]): line["bits_per_byte"] for line in read_lines(watched / "held_out.jsonl")
    }
    assert [row["step"] for row in told if "samples._type" in row] == [0, 5, 10, 15, 16]
    tables = [json.loads(path.read_text()) for path in tracking.glob("**/samples_*.table.json")]
    assert tables[0]["columns"] == ["step", "tokens", "prompt", "continuation"]
    written = [list(line.values()) for line in read_lines(watched / "samples.jsonl")]
    assert sorted(row for table in tables for row in table["data"]) == sorted(written)
    for part in records(tracking, "run"):
        config = part[0]["config"]["update"]
        assert config["training"]["global_batch"] == 4


def test_what_differs_from_run_to_run_is_in_the_logs_alone(watched, model):
    lines = read_lines(watched.parent / "logs" / "speed.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 17))
    loaded = AutoModelForCausalLM.from_pretrained(model)
    weights = sum(weight.numel() for weight in loaded.parameters())
    table = loaded.get_input_embeddings().weight.numel()  # not tied: looked up, not multiplied
    assert flops_per_token(loaded, 8) == 6 * (weights - table) + 12 * 2 * 32 * 8
    for line in lines[5:]:  # the second phase trains all
        assert line["mfu"] == pytest.approx(line["tokens_per_s"] * flops_per_token(loaded, 8) / 1e9, abs=1e-4)
        assert line["peak_memory_gb"] > 0


def test_attention_is_as_wide_as_its_heads():
    shape = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3}
    wide = LlamaForCausalLM(LlamaConfig(**shape, num_attention_heads=4, head_dim=8))
    weights = sum(weight.numel() for weight in wide.parameters()) - wide.get_input_embeddings().weight.numel()
    assert flops_per_token(wide, 10) == 6 * weights + 12 * 3 * 4 * 8 * 10


def test_what_is_seen_does_not_depend_on_how_much_a_machine_computes_at_once(watched, model, tokens, texts, tmp_path):
    run_case(model, tokens, tmp_path / "out", {"micro_batch": 1}, texts, watch=WATCH)
    one, other = (read_lines(out / FILES[1]) for out in (tmp_path / "out", watched))
    begun = [line for line in other if line["step"] == 0]
    assert begun
    assert begun == [line for line in one if line["step"] == 0]


def test_a_model_without_a_text_to_watch_says_so(model, tokens, tmp_path, capsys):
    (tmp_path / "texts.jsonl").write_text("")
    run_case(model, tokens, tmp_path / "out", {}, {"held_out_target": tmp_path}, watch=WATCH)
    assert "holds no held-out text, so none of the target is watched" in capsys.readouterr().err
    assert not (tmp_path / "out" / FILES[1]).exists()
    assert (tmp_path / "out" / FILES[2]).exists()


@given(
    documents=st.lists(st.text(alphabet="een huis", min_size=1, max_size=60), min_size=1, max_size=5),
    length=st.integers(2, 12),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
def test_every_token_but_the_first_of_each_document_is_scored_once(model, documents, length):
    encoder = load_encoder(model)
    text = cut_text("target", documents, encoder, length)
    scored = [label for batch in text.batches for label in batch.labels[batch.labels != IGNORED].tolist()]
    assert sorted(scored) == sorted(token for ids in encoder.encode(documents) for token in ids[1:])
    assert text.tokens == len(scored)
    assert text.bytes == sum(len(document.encode()) for document in documents)
    assert all(batch.inputs.size <= length * BATCH_WINDOWS for batch in text.batches)
