"""Curves at equal bytes and equal operations, worked out by hand; what the page says; operations of real models."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import save_tiny_model
from transformers import LlamaConfig, LlamaForCausalLM

from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.compare_training.comparison import student_interval
from stages.compare_training.settings import CompareTrainingSettings
from stages.compare_training.stage import compare_training
from stages.compare_training.trainings import Curve, make_curves, phase_operations, read_decoder, read_looks
from stages.compare_training.words import quantity
from stages.continue_pretraining.speed import flops_per_token
from stages.shared.held_out_text import write_texts
from stages.shared.training.parameters import embedding_names

EXECUTION = Execution.model_construct()
BYTES = 4000
TOKENS = {"adapted": 1000, "source_finetuned": 2000}
"""For the same text."""
HEIGHTS = {"adapted": (4.0, 3.0, 2.0), "source_finetuned": (3.5, 2.5, 1.5)}
"""Of the target text before, in the middle and at the end: at equal bytes the source model is better by a half."""
ENGLISH = {"adapted": (1.5, 1.5, 1.75), "source_finetuned": (1.0, 1.0, 1.5)}


@pytest.fixture(scope="module")
def training():
    return load_config(["language=dutch", "training.sequence_length=64"]).training


def write_training(folder, system, shift, watched=("target", "source")):
    """Write what a training of a tied model with 1000 weights leaves behind."""
    folder.mkdir(parents=True)
    LlamaConfig(
        tie_word_embeddings=True, vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2
    ).save_pretrained(folder)
    tokens = TOKENS[system]
    phases = [
        {"name": "embeddings", "tokens": tokens // 4, "parameters": 160},
        {"name": "all", "tokens": tokens - tokens // 4, "parameters": 1000},
    ]
    (folder / "training.json").write_text(json.dumps({"tokens": tokens, "parameters": 1000, "phases": phases}))
    heights = {"target": HEIGHTS[system], "source": ENGLISH[system], "other": HEIGHTS[system]}
    looks = [
        {"step": place, "tokens": tokens * place // 2, "text": text, "bits_per_byte": heights[text][place] + shift}
        for place in range(3)
        for text in watched
    ]
    (folder / "held_out.jsonl").write_text("".join(json.dumps(look) + "\n" for look in looks))
    return folder


def compared(folder, training, replays=("none", "packaged"), seeds=(1, 2, 3), **given):
    inputs = {}
    for text in ("target", "source", "other"):
        inputs[f"held_out_{text}"] = folder / text
        (folder / text).mkdir(parents=True)
        write_texts(folder / text, [("1", "één"), ("2", "twee")])
    for replay in replays:
        for seed in seeds:
            for system, tokens in TOKENS.items():
                name = f"{system}_{replay}_{seed}"
                shift = 0.01 * seed * (1 if system == "adapted" else 2)
                inputs[name] = write_training(folder / name, system, shift, **given)
                inputs[f"tokens_{name}"] = folder / f"tokens_{name}"
                inputs[f"tokens_{name}"].mkdir()
                size = {"tokens": tokens, "bytes": BYTES}
                (inputs[f"tokens_{name}"] / "tokens.json").write_text(json.dumps(size))
    settings = CompareTrainingSettings(
        language_name="dutch",
        source_code="en",
        base_model_name="tiny",
        training=training,
        variants=[{"replay": replay, "share": 0.0, "seeds": seeds} for replay in replays],
        confidence=0.95,
    )
    out = folder / "training_curves-0123456789ab.unfinished"
    out.mkdir()
    compare_training(settings, inputs, out, EXECUTION)
    return json.loads((out / "training_curves.json").read_text()), (out / "report.html").read_text(encoding="utf-8")


def test_equal_bytes_and_equal_operations_are_read_off_the_curves(training, tmp_path):
    found, _ = compared(tmp_path, training)
    rows = {(row["text"], row["replay"], row["at_equal"]): row for row in found["comparisons"]}
    same_text = rows["target", "none", "bytes"]
    assert same_text["amount"] == BYTES
    # Means over the seeds' shifts, 0.02 and 0.04.
    assert (same_text["adapted"], same_text["source_finetuned"]) == pytest.approx((2.02, 1.54))
    assert same_text["differences"] == pytest.approx([0.49, 0.48, 0.47])
    assert same_text["verdict"] == "worse"
    # A token costs the same in both models, less in the phase of embeddings: 250 of the adapted one's are in it and 500
    # of the source's, which gets with the same operations a little beyond its 1000th token of 2000.
    attention = 12 * 2 * 8 * 64
    tables, whole = 4 * 1000 + 2 * 160 + attention, 6 * 1000 + attention
    assert rows["target", "none", "flops"]["amount"] == 250 * tables + 750 * whole
    reached = 1250 - 250 * tables / whole
    assert rows["target", "none", "flops"]["source_finetuned"] == pytest.approx(2.54 - (reached - 1000) / 1000)
    assert rows["target", "none", "flops"]["verdict"] == "better"
    changes = {(row["text"], row["replay"], row["system"]): row for row in found["changes"]}
    forgotten = changes["source", "packaged", "source_finetuned"]
    assert (forgotten["before"], forgotten["after"], forgotten["change"]) == pytest.approx((1.04, 1.54, 0.5))
    assert found["texts"] == {name: {"documents": 2, "bytes": 9} for name in ("target", "source")}


def test_the_sentences_follow_from_the_figures_bad_news_first(training, tmp_path):
    found, page = compared(tmp_path, training)
    first, second, english = found["claims"]
    assert re.fullmatch(
        r"On held-out Dutch, the adapted model is, against tiny trained with its own tokenizer, at equal bytes of text "
        r"worse \(4 kB: 2\.020 against 1\.540 bits per byte; 95 % interval over seeds \+0\.455 to \+0\.505\), and at "
        r"equal operations better \(.*\)\.",
        first,
    )
    assert "(both with replay=packaged)" in second
    assert "the source model with replay=packaged 1.040 before, 1.540 after" in english
    shown = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert all(claim in shown for claim in found["claims"])


def test_one_seed_has_no_interval_and_no_verdict(training, tmp_path):
    found, page = compared(tmp_path, training, replays=("none",), seeds=(7,), watched=("target", "other"))
    assert {row["verdict"] for row in found["comparisons"]} == {"unknown"}
    assert "not lower (4 kB: 2.070 against 1.640 bits per byte; one seed gives no interval)" in found["claims"][0]
    assert "On held-out Dutch of another domain" in found["claims"][1]
    assert len(found["claims"]) == 2  # nothing was watched in English
    assert "dashed" not in page.partition("</style>")[2]


class Whole(HTMLParser):
    """Sees that every element is closed, and counts lines."""

    def __init__(self):
        super().__init__()
        self.open, self.lines = [], 0

    def handle_starttag(self, tag, attributes):
        self.lines += tag == "polyline"
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.lines += tag == "polyline"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_draws_every_training_over_both_axes(training, tmp_path):
    _, page = compared(tmp_path, training)
    parser = Whole()
    parser.feed(page)
    assert parser.open == []
    assert parser.lines == 2 * 2 * 2 * 2 * 3  # texts, axes, replays, systems, seeds
    assert "The learning rate falls (cosine)" in page
    assert ">Text of the source language (en)</h2>" in page
    assert page.count("key line source_finetuned dashed") == 4  # once a chart, not once a seed


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("train", ["embeddings", "all"])
def test_operations_are_those_that_the_training_itself_counts(tied, train, training, tmp_path):
    config = LlamaConfig.from_pretrained(save_tiny_model(tmp_path / "model"), tie_word_embeddings=tied)
    model = LlamaForCausalLM(config)
    config.save_pretrained(tmp_path)
    for name, weight in model.named_parameters():
        weight.requires_grad_(train == "all" or name in embedding_names(model))
    weights = list(model.parameters())
    phase = {"tokens": 1, "parameters": sum(weight.numel() for weight in weights if weight.requires_grad)}
    summary = {"parameters": sum(weight.numel() for weight in weights), "phases": [phase]}
    assert phase_operations(summary, read_decoder(tmp_path), training) == [(1, flops_per_token(model, 64))]


def test_a_look_without_a_finite_loss_is_left_out():
    values = (3.0, None, 2.0)
    looks = [{"tokens": 10 * at, "text": "target", "bits_per_byte": value} for at, value in enumerate(values)]
    curve = make_curves(looks, [(5, 1.0), (15, 2.0)], bytes_per_token=4.0)["target"]
    assert curve.bytes.tolist() == [0.0, 80.0]
    assert curve.flops.tolist() == [0.0, 35.0]


@given(
    heights=st.lists(st.floats(0.1, 9), min_size=2, max_size=6),
    share=st.floats(0, 1),
    kind=st.sampled_from(["bytes", "flops"]),
)
def test_a_curve_never_leaves_the_range_of_its_looks(heights, share, kind):
    steps = np.arange(len(heights), dtype=np.float64)
    curve = Curve(steps * 7, steps * 11, np.array(heights))
    value = curve.at(kind, share * curve.end(kind))
    assert min(heights) - 1e-9 <= value <= max(heights) + 1e-9
    assert curve.at(kind, curve.end(kind)) == heights[-1]


def test_an_interval_over_seeds_is_students():
    assert student_interval([1.0], 0.95) == (None, None)
    low, high = student_interval([1.0, 2.0, 3.0], 0.95)
    assert (low, high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-3)


def test_a_training_that_nobody_watched_is_told(tmp_path):
    with pytest.raises(UserError, match="was watched on no text"):
        read_looks(tmp_path)


def test_amounts_have_prefixes():
    assert [quantity(value, "B") for value in (0.0, 12.0, 1234.0, 999.9e3)] == ["0 B", "12 B", "1.23 kB", "1 MB"]
