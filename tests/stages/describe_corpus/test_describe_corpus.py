"""The corpus report on a real ingested corpus of a few documents, and a bitext of a few hundred pairs."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny_vocabularies
from ingest_case import CORPUS, DATA, DUTCH, execution, pair_card, run_bitext, run_corpus, text_card
from markupsafe import escape
from rich.console import Console
from transformers import AutoTokenizer

from pipeline.config import load_config
from stages.describe_corpus.confusion import measured_confusion
from stages.describe_corpus.histograms import Histograms
from stages.describe_corpus.pairs import repeats
from stages.describe_corpus.samples import Sample
from stages.describe_corpus.settings import DescribeCorpusSettings
from stages.describe_corpus.stage import describe_corpus
from stages.describe_corpus.table import corpus_table
from stages.ingest_bitext.settings import IngestBitextSettings
from stages.ingest_bitext.stage import ingest_bitext
from stages.shared.duplicates.settings import BenchmarkFile

ENGLISH = "This document was not translated by anybody in the world, as it should have been before."


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    here = tmp_path_factory.mktemp("report")
    texts = (DATA / "dutch.txt").read_text().split("\n\n")
    (here / "dutch.txt").write_text("\n\n".join([*texts, texts[0], ENGLISH, "Mail <b>jan</b>@voorbeeld.nl of kort"]))
    corpus = run_corpus(here / "corpus", text_card(here))
    (corpus / "manifest.json").write_text(json.dumps({"metrics": {"rule_seconds": {"language": 2.0, "script": 1.0}}}))
    inputs = {
        "corpus": corpus,
        "bitext": run_bitext(here / "bitext", corpus, pair_card()),
        "base_model": tiny_vocabularies.make(here / "base", "byte_level", []),
        "tokenizer": tiny_vocabularies.make(here / "new", "byte_level", [" de", " het", " een", " van", "en"]),
    }
    out = here / "corpus_report-abc.unfinished"
    out.mkdir()
    settings = DescribeCorpusSettings(language_name="dutch", base_model_name="Tiny")
    describe_corpus(settings, inputs, out, execution(here))
    return out, json.loads((corpus / "corpus.json").read_text()), inputs


@pytest.fixture
def bitext(report):
    return json.loads((report[0] / "corpus_report.json").read_text())["bitext"]


def test_says_what_was_kept_and_dropped(report):
    out, corpus, _ = report
    found = json.loads((out / "corpus_report.json").read_text())
    assert found["run"] == "abc"
    assert found["totals"]["documents"] == corpus["ids"]["kept"] == sum(bar["documents"] for bar in found["lengths"])
    (example,) = found["examples"]["language"]
    assert (example["check"], example["excerpt"]) == ("no_line_left", ENGLISH)
    assert [len(shown) for shown in found["examples"].values()] == [1, 1]
    assert found["licences"] == {"mpl-2.0": found["totals"]["bytes"]}
    assert max(found["languages"], key=found["languages"].get) == "nl"


def test_tells_tokens_a_word_of_each_source_by_both_tokenizers(report):
    out, _, inputs = report
    found = json.loads((out / "corpus_report.json").read_text())
    texts = pq.read_table(inputs["corpus"] / "validation.parquet")["text"].to_pylist()
    for name, folder in (("base", "base_model"), ("new", "tokenizer")):
        ids = AutoTokenizer.from_pretrained(inputs[folder])(texts, add_special_tokens=False)["input_ids"]
        share = sum(map(len, ids)) / sum(len(text.split()) for text in texts)
        assert found["tokens_per_word"][name] == pytest.approx(share, abs=1e-4)
    own = found["tokens_per_word_by_source"]["text"]
    assert own["text"] == "held out"
    assert own["words"] == sum(found["splits"][split]["words"] for split in ("validation", "test"))
    assert 3 < own["new"] < own["base"] < 8


def test_page_holds_the_examples_and_needs_nothing_beside_itself(report):
    page = (report[0] / "report.html").read_text()
    assert ENGLISH in page
    assert "<b>jan</b>" not in page
    assert "http" not in page.replace("http-equiv", "")
    found = json.loads((report[0] / "corpus_report.json").read_text())
    pairs = 1 + len(found["bitext"]["examples"])
    assert page.count("<summary>") == 1 + len(found["examples"]) + len(found["line_examples"]) + pairs


def test_a_bitext_is_told_of_both_sides_and_in_both_directions(report, bitext):
    rows = [
        row
        for split in ("train", "validation", "test")
        for row in pq.read_table(report[2]["bitext"] / f"{split}.parquet").to_pylist()
    ]
    (source,) = bitext["sources"]
    assert source["pairs"] == 400 == bitext["totals"]["pairs"] == len(rows) + sum(source["dropped"].values())
    for side in ("source", "target"):
        assert source[f"{side}_words"] == sum(len(row[f"{side}_text"].split()) for row in rows)
        assert source[f"{side}_characters"] == sum(len(row[f"{side}_text"]) for row in rows)
        assert sum(bar["documents"] for bar in bitext["lengths"][side]) == len(rows)
        shown = [pair[side] for pair in bitext["kept_examples"]]
        assert len(shown) == 10
        assert set(shown) <= {row[f"{side}_text"][:300] for row in rows}
    for unit in ("words", "characters"):
        there, back = (bitext["ratios"][unit][name] for name in ("target_by_source", "source_by_target"))
        assert there["mean"] * back["mean"] == pytest.approx(1, abs=1e-3)
        counts = [[bar["pairs"] for bar in direction["bins"]] for direction in (there, back)]
        assert counts[0] == counts[1][::-1]
        assert sum(counts[0]) == len(rows)
    assert bitext["licences"] == {"mpl-2.0": len(rows)}
    assert bitext["tokens_per_word"]["target"]["new"] < bitext["tokens_per_word"]["target"]["base"]


def test_the_page_shows_pairs_that_went_and_pairs_that_stayed(report, bitext):
    page = (report[0] / "report.html").read_text()
    (reason, shown), *_ = bitext["examples"].items()
    assert f"pairs: {reason} ({len(shown)})" in page
    for pair in (shown[0], bitext["kept_examples"][0]):
        assert str(escape(f"{pair['source']}\n{pair['target']}")) in page


def test_what_was_looked_for_in_pairs_is_told(report, bitext, tmp_path):
    """The same pairs as from the web, one of them in a benchmark and one with an address."""
    page = (report[0] / "report.html").read_text()
    assert not {"rules", "alignment", "benchmarks"} & set(bitext)
    assert "Rules on both sides" not in page
    lines = (DATA / "en-nl.tsv").read_text()
    (tmp_path / "pairs.tsv").write_text(f"{lines}Write to jan@example.org\tSchrijf naar jan@example.org\n")
    trained_on = pq.read_table(report[2]["bitext"] / "train.parquet")["target_text"].to_pylist()
    (tmp_path / "quiz.txt").write_text(max(trained_on, key=len) + "\n")
    web = load_config(["language=dutch", "bitext=web"]).bitext
    quiz = {"quiz": BenchmarkFile.model_validate({"path": tmp_path / "quiz.txt"})}
    settings = IngestBitextSettings(
        language=DUTCH,
        bitext=web.model_copy(update={"reading": CORPUS.reading}),
        cards=(pair_card(tmp_path, "pairs.tsv"),),
        decontamination=CORPUS.decontamination.model_copy(update={"benchmarks": quiz}),
    )
    (tmp_path / "bitext").mkdir()
    ingest_bitext(settings, {"corpus": report[2]["corpus"]}, tmp_path / "bitext", execution(tmp_path))
    told = DescribeCorpusSettings(language_name="dutch", base_model_name="Tiny")
    (tmp_path / "out").mkdir()
    describe_corpus(told, report[2] | {"bitext": tmp_path / "bitext"}, tmp_path / "out", execution(tmp_path))
    found = json.loads((tmp_path / "out" / "corpus_report.json").read_text())["bitext"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert found["rules"]["source"]["personal_data"] == {"email": 1}
    assert found["benchmarks"]["lines"]["quiz"] >= 1
    assert "quiz: 1 training pairs went" in page
    assert "email 1" in page
    assert "Mean score of the target words" in page
    assert len(found["alignment"]["source_words"]) == 20


def test_without_a_bitext_the_report_has_no_part_of_it(report, tmp_path):
    inputs = {name: folder for name, folder in report[2].items() if name != "bitext"}
    settings = DescribeCorpusSettings(language_name="dutch", base_model_name="Tiny")
    describe_corpus(settings, inputs | {"tokenizer": inputs["base_model"]}, tmp_path, execution(tmp_path))
    found = json.loads((tmp_path / "corpus_report.json").read_text())
    assert found["bitext"] is None
    assert found["tokens_per_word"]["new"] == found["tokens_per_word"]["base"]
    assert "<h2>Bitext</h2>" not in (tmp_path / "report.html").read_text()


def test_a_sample_is_the_same_whatever_the_order():
    texts = {f"d{number}": f"{number} " * 20 for number in range(200)}
    samples = [Sample(500), Sample(500)]
    for sample, names in zip(samples, (list(texts), list(texts)[::-1]), strict=True):
        for name in names:
            sample.add(name, texts[name])
    assert samples[0].texts == samples[1].texts
    assert 500 <= sum(map(len, samples[0].texts)) < 600


def test_repeated_sides_are_counted_by_powers_of_two():
    hashes = np.array([7, 7, 7, 8, 9, 9], np.uint64)
    assert [(bar["from"], bar["texts"]) for bar in repeats([hashes[:4], hashes[4:]])] == [(1, 1), (2, 2)]
    assert repeats([hashes[:0]]) == []


def test_tells_what_lines_went_and_what_each_source_was_taken_for(report):
    found = json.loads((report[0] / "corpus_report.json").read_text())
    assert found["line_examples"]["language"] == [ENGLISH]
    table = found["confusion"]["sources"]
    assert table["columns"][0] == "nl"
    assert sum(table["rows"]["text"]["per_cent"]) == pytest.approx(100)
    assert found["confusion"]["measured"] is None


def test_relatives_are_shown_where_they_were_measured():
    table = measured_confusion("tatar")
    for row in table["rows"].values():
        assert sum(row["per_cent"]) == pytest.approx(100, abs=0.2)
        assert len(row["per_cent"]) == len(table["columns"])
    assert measured_confusion("dutch") is None


def test_table_names_each_source(report):
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(corpus_table(report[1]))
    assert "duplicate 1" in console.export_text()


def test_lengths_go_by_powers_of_two():
    histograms = Histograms()
    for count in (1, 3, 4, 5, 7, 17):
        histograms.add("een " * count, [("script.share", 0.5)])
    assert [(bar["from"], bar["documents"]) for bar in histograms.lengths()] == [
        (1, 1),
        (2, 1),
        (4, 3),
        (8, 0),
        (16, 1),
    ]
    assert sum(bar["documents"] for bar in histograms.scores()["script.share"]) == 6
