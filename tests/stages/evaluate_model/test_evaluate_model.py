"""evaluate_model: the figures against a brute-force evaluation, the sample, the windows and the score command."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.stats
import tiny_vocabularies as tiny
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_models import TEXTS, save_test_split, save_tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.evaluate_model.score import SETTINGS, main
from stages.evaluate_model.settings import EvaluateModelSettings
from stages.evaluate_model.stage import evaluate_model
from stages.shared.bootstrap import Bootstrap, bits_per_byte_interval
from stages.shared.perplexity import normalized_perplexity
from stages.shared.scoring.model import load_model
from stages.shared.scoring.nll import score_documents
from stages.shared.scoring.sample import excerpt, read_lines, read_sample
from stages.shared.scoring.windows import cut_windows, make_batches

EXECUTION = Execution.model_construct(device="cpu")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return save_test_split(tmp_path_factory.mktemp("corpus"), TEXTS)


def settings(**changes) -> EvaluateModelSettings:
    values = yaml.safe_load(SETTINGS.read_text())
    scoring = {**values["scoring"], "bytes": 2000, "window": 48, "threads": 1, "bootstrap_samples": 500, **changes}
    generation = {**values["generation"], "max_new_tokens": 5, "decoding": {"method": "greedy"}}
    return EvaluateModelSettings(scoring=scoring, generation=generation)


def run(model: Path, corpus: Path, out: Path, **changes) -> dict:
    out.mkdir()
    evaluate_model(settings(**changes), {"model": model, "corpus": corpus}, out, EXECUTION)
    return json.loads((out / "evaluation.json").read_text())


def brute_force(folder: Path, texts: list[str]) -> list[float]:
    """One document at a time, all logits, plain cross-entropy; documents within the model's context."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    losses = []
    for text in texts:
        ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False).input_ids]])
        with torch.no_grad():
            logits = model(ids).logits[0, :-1]
        losses.append(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item())
    return losses


def test_figures_equal_a_brute_force_evaluation(tmp_path, corpus):
    folder = save_tiny_model(tmp_path / "long", positions=1024)
    found = run(folder, corpus, tmp_path / "out", window=1024)
    texts = dict(zip((f"d{number}" for number in range(len(TEXTS))), TEXTS, strict=True))
    chosen = [texts[name] for name in found["per_document"]["id"]]
    expected = brute_force(folder, chosen)
    assert found["per_document"]["nll"] == pytest.approx(expected, rel=1e-5)
    total_bytes, words = sum(len(text.encode()) for text in chosen), sum(len(text.split()) for text in chosen)
    assert found["bits_per_byte"] == pytest.approx(sum(expected) / math.log(2) / total_bytes, abs=1e-5)
    assert found["ppl"] == pytest.approx(math.exp(sum(expected) / found["tokens"]), rel=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = sum(len(tokenizer(text, add_special_tokens=False).input_ids) for text in chosen)
    assert found["tokens"] == tokens
    assert found["tokens_per_word"] == pytest.approx(tokens / words)
    assert found["bits_per_byte_low"] < found["bits_per_byte"] < found["bits_per_byte_high"]


def test_the_batch_size_changes_nothing_but_the_last_digits(model_folder):
    loaded = load_model(model_folder, "float32", "cpu", 1)
    documents = loaded.encoder.encode(TEXTS)
    alone, together = (score_documents(loaded.model, documents, 48, batch) for batch in (1, 4096))
    np.testing.assert_allclose(alone, together, rtol=1e-5)


def test_long_documents_are_scored_with_the_context_of_their_windows(model_folder):
    loaded = load_model(model_folder, "float32", "cpu", 1)
    ids = loaded.encoder.encode([TEXTS[8]])[0]
    assert len(ids) > 48
    expected = 0.0
    for window in cut_windows([len(ids)], 48):
        piece = torch.tensor([ids[window.start : window.end]])
        with torch.no_grad():
            losses = torch.nn.functional.cross_entropy(
                loaded.model(piece).logits[0, :-1], piece[0, 1:], reduction="none"
            )
        expected += losses[-window.scored :].sum().item()
    assert score_documents(loaded.model, [ids], 48, 96)[0] == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.integers(1, 60), max_size=8), st.integers(2, 20), st.integers(1, 64))
def test_every_token_but_the_first_is_scored_exactly_once(lengths, size, budget):
    windows = cut_windows(lengths, size)
    scored = [(window.document, place) for window in windows for place in range(window.end - window.scored, window.end)]
    assert sorted(scored) == [
        (document, place) for document, length in enumerate(lengths) for place in range(1, length)
    ]
    assert all(len(window) <= size and window.scored < len(window) for window in windows)
    batches = make_batches(windows, budget)
    key = lambda window: (window.document, window.start)  # noqa: E731
    assert sorted((window for batch in batches for window in batch), key=key) == sorted(windows, key=key)
    assert all(len(batch) == 1 or len(batch) * len(batch[0]) <= budget for batch in batches)


def test_tokens_that_hide_text_are_counted(tmp_path, model_folder, corpus):
    assert "unknown_tokens" not in run(model_folder, corpus, tmp_path / "of bytes")
    folder = tiny.make(save_tiny_model(tmp_path / "words"), "wordpiece", [" een", " huis", " met", " tuin", " en"])
    found = run(folder, corpus, tmp_path / "of words")
    # All but those words: "Document", its number, ":", "mooie", "één", "boom", ".", of 24 documents.
    texts = [TEXTS[int(name[1:])] for name in found["per_document"]["id"]]
    pieces = [piece for text in texts for piece in re.findall(r"\w+|[^\w\s]+", text)]
    assert found["tokens"] == len(pieces)
    assert found["unknown_tokens"] == sum(piece not in ("een", "huis", "met", "tuin", "en") for piece in pieces) > 0


def test_one_bos_and_no_eos_whatever_the_tokenizer_adds_by_itself(model_folder):
    loaded = load_model(model_folder, "float32", "cpu", 1)
    bos, eos = loaded.tokenizer.bos_token_id, loaded.tokenizer.eos_token_id
    for ids in loaded.encoder.encode(["een huis", "<s> een </s>"]):
        assert ids[0] == bos
        assert bos not in ids[1:]
        assert eos not in ids


def test_without_a_bos_the_eos_begins_a_document(tmp_path):
    loaded = load_model(save_tiny_model(tmp_path / "no_bos", bos=None), "float32", "cpu", 1)
    assert loaded.start_token == "</s>"


def test_the_output_is_the_same_to_the_byte(model_folder, corpus, tmp_path):
    run(model_folder, corpus, tmp_path / "a")
    run(model_folder, corpus, tmp_path / "b")
    for name in ("evaluation.json", "samples.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    samples = json.loads((tmp_path / "a" / "samples.json").read_text())
    assert len(samples) == 3
    assert all(sample["prompt"] and "continuation" in sample for sample in samples)


def test_the_sample_depends_on_no_tokenizer_and_holds_the_wanted_bytes(corpus):
    sample = read_sample(corpus / "test.parquet", 2000, 300, seed=1)
    assert sum(document.bytes for document in sample) >= 2000
    assert sum(document.bytes for document in sample[:-1]) < 2000
    assert all(document.bytes <= 300 for document in sample)
    assert [d.id for d in sample] != [d.id for d in read_sample(corpus / "test.parquet", 2000, 300, seed=2)]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(4, 40))
def test_an_excerpt_is_a_beginning_that_fits(text, most):
    found = excerpt(text, most)
    assert text.startswith(found)
    assert len(found.encode()) <= most
    assert found or not text


def test_the_papers_normalised_perplexities():
    found = normalized_perplexity(3.1321, tokens=8116, reference_tokens=3081)
    assert found.token_ratio == pytest.approx(60.38, abs=0.005)
    assert found.mielke == pytest.approx(3830, abs=0.5)


def test_the_interval_is_scipys():
    generator = np.random.default_rng(3)
    lengths = generator.integers(200, 3000, 40)
    nll = lengths * generator.normal(1.5, 0.3, 40)
    groups = [f"page {number}" for number in range(len(nll))]
    found = bits_per_byte_interval(nll, lengths, groups, Bootstrap(8000, 0.95, 1))
    expected = scipy.stats.bootstrap(
        (nll, lengths),
        lambda x, y, axis: x.sum(axis=axis) / y.sum(axis=axis) / math.log(2),
        paired=True,
        vectorized=True,
        n_resamples=8000,
        method="percentile",
        rng=np.random.default_rng(9),
    ).confidence_interval
    assert found == pytest.approx((expected.low, expected.high), rel=0.01)
    assert bits_per_byte_interval(nll[:1], lengths[:1], groups[:1], Bootstrap(100, 0.95, 1)) is None
    assert bits_per_byte_interval(nll, lengths, ["page"] * len(nll), Bootstrap(100, 0.95, 1)) is None


def test_the_interval_covers_the_truth_where_documents_of_a_group_are_alike():
    """Drawing the documents one by one would cover it in fewer than 60 of 100 cases."""
    generator, hits = np.random.default_rng(5), 0
    groups = [f"book {number // 8}" for number in range(30 * 8)]
    lengths = np.full(len(groups), 100.0)
    for _ in range(200):
        by_book = generator.normal(2.0, 0.2, size=30).repeat(8)
        nll = (by_book + generator.normal(0, 0.05, size=len(groups))) * lengths * math.log(2)
        low, high = bits_per_byte_interval(nll, lengths, groups, Bootstrap(300, 0.95, 1))
        hits += low <= 2.0 <= high
    assert hits / 200 >= 0.88


def test_no_group_gives_more_documents_than_it_may(tmp_path):
    texts = {"id": [str(number) for number in range(12)], "text": [f"bladzijde {number}" for number in range(12)]}
    pq.write_table(pa.table({**texts, "group": ["book"] * 8 + ["a", "b", "c", "d"]}), tmp_path / "test.parquet")
    groups = [document.group for document in read_sample(tmp_path / "test.parquet", 1000, 300, seed=1, per_group=2)]
    assert sorted(groups) == ["a", "b", "book", "book", "c", "d"]


def test_lines_before_the_first_one_are_left_out_and_neighbours_are_one_group(tmp_path):
    (tmp_path / "text.txt").write_text("\n".join(f"regel {number}" for number in range(1, 13)), encoding="utf-8")
    found = read_lines(tmp_path / "text.txt", "even", first_line=5, passage_lines=4)
    assert [(document.id, document.group) for document in found] == [
        ("line 6", "passage 2"),
        ("line 8", "passage 2"),
        ("line 10", "passage 3"),
        ("line 12", "passage 3"),
    ]
    with pytest.raises(UserError, match="no text on its even lines from line 13 on"):
        read_lines(tmp_path / "text.txt", "even", first_line=13)


def test_score_gives_the_stages_figures_in_one_line(model_folder, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(TEXTS) + "\n\n", encoding="utf-8")
    command = [sys.executable, "-m", "stages.evaluate_model.score", str(model_folder), str(text), "--threads", "1"]
    done = subprocess.run(
        [*command, "--reference-tokenizer", str(model_folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1
    found = json.loads(done.stdout)
    assert found["documents"] == len(TEXTS)
    assert found["bytes"] == sum(len(line.encode()) for line in TEXTS)
    assert found["ppl_token_ratio"] == found["ppl"] == pytest.approx(found["ppl_mielke"])
    loaded = load_model(model_folder, "float32", "cpu", 1)
    nll = score_documents(loaded.model, loaded.encoder.encode(TEXTS), 64, 2048)
    assert found["bits_per_byte"] == math.fsum(nll) / math.log(2) / found["bytes"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"een\ntwee\nd\xffrie\n", "line 3, byte 11"),
        (b"\xef\xbb\xbfa\n\xff", "line 2, byte 6"),
        (b" \n\n", "no text"),
        (None, "cannot read"),
    ],
)
def test_bad_text_is_one_clear_line(content, named, tmp_path, capsys):
    text = tmp_path / "text.txt"
    if content is not None:
        text.write_bytes(content)
    assert main([str(tmp_path), str(text)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert named in printed.err
    assert str(text) in printed.err
    assert printed.err.count("\n") == 1


def test_bad_models_are_one_clear_line(model_folder, tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("een huis")
    assert main([str(tmp_path / "none"), str(text)]) == 2
    assert "no config.json" in capsys.readouterr().err
    damaged = save_tiny_model(tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    assert main([str(damaged), str(text)]) == 2
    assert "cannot load the model" in capsys.readouterr().err
    incomplete = save_tiny_model(tmp_path / "incomplete")
    tensors = load_file(incomplete / "model.safetensors")
    del tensors["model.layers.0.mlp.up_proj.weight"]
    save_file(tensors, incomplete / "model.safetensors", metadata={"format": "pt"})
    assert main([str(incomplete), str(text)]) == 2
    assert "model.layers.0.mlp.up_proj.weight missing" in capsys.readouterr().err
    broken = save_tiny_model(tmp_path / "broken")
    (broken / "tokenizer.json").write_text('{"no": "tokenizer"}')
    assert main([str(broken), str(text)]) == 2
    assert "cannot load the tokenizer" in capsys.readouterr().err
    (broken / "tokenizer.json").unlink()
    assert main([str(broken), str(text)]) == 2
    assert "holds no tokenizer" in capsys.readouterr().err
    assert main([str(model_folder), str(text), "--window", "1"]) == 2
    assert "--window=1" in capsys.readouterr().err


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    folder, other = save_tiny_model(tmp_path / "small", size=270), save_tiny_model(tmp_path / "large")
    (folder / "tokenizer.json").write_bytes((other / "tokenizer.json").read_bytes())
    with pytest.raises(UserError, match="do not belong together"):
        load_model(folder, "float32", "cpu", 1)


def test_a_model_that_overflows_is_refused(tmp_path):
    folder = save_tiny_model(tmp_path / "nan")
    loaded = load_model(folder, "float32", "cpu", 1)
    loaded.model.lm_head.weight.data.fill_(float("nan"))
    with pytest.raises(UserError, match="no finite loss"):
        score_documents(loaded.model, loaded.encoder.encode(["een huis"]), 48, 96)


def test_lines_may_end_as_on_windows(tmp_path):
    (tmp_path / "text.txt").write_bytes("één\r\ntwee\r\n".encode())
    assert [document.text for document in read_lines(tmp_path / "text.txt")] == ["één", "twee"]
