"""The corpus report on a real ingested corpus of a few documents."""

import json

import pytest
from ingest_case import DATA, execution, run_corpus, text_card
from rich.console import Console

from stages.describe_corpus.confusion import measured_confusion
from stages.describe_corpus.histograms import Histograms
from stages.describe_corpus.settings import DescribeCorpusSettings
from stages.describe_corpus.stage import describe_corpus
from stages.describe_corpus.table import corpus_table

ENGLISH = "This document was not translated by anybody in the world, as it should have been before."


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    here = tmp_path_factory.mktemp("report")
    texts = (DATA / "dutch.txt").read_text().split("\n\n")
    (here / "dutch.txt").write_text("\n\n".join([*texts, texts[0], ENGLISH, "Mail <b>jan</b>@voorbeeld.nl of kort"]))
    corpus = run_corpus(here / "corpus", text_card(here))
    (corpus / "manifest.json").write_text(json.dumps({"metrics": {"rule_seconds": {"language": 2.0, "script": 1.0}}}))
    tokenizer = here / "tokenizer"
    tokenizer.mkdir()
    figures = {"tokens_per_word": 1.5, "base_tokens_per_word": 2.5}
    (tokenizer / "tokenizer_metrics.json").write_text(json.dumps(figures))
    out = here / "corpus_report-abc.unfinished"
    out.mkdir()
    settings = DescribeCorpusSettings(language_name="dutch", base_model_name="Tiny")
    describe_corpus(settings, {"corpus": corpus, "tokenizer": tokenizer}, out, execution(here))
    return out, json.loads((corpus / "corpus.json").read_text())


def test_says_what_was_kept_and_dropped(report):
    out, corpus = report
    found = json.loads((out / "corpus_report.json").read_text())
    assert found["run"] == "abc"
    assert found["totals"]["documents"] == corpus["ids"]["kept"] == sum(bar["documents"] for bar in found["lengths"])
    (example,) = found["examples"]["language"]
    assert (example["check"], example["excerpt"]) == ("no_line_left", ENGLISH)
    assert [len(shown) for shown in found["examples"].values()] == [1, 1]
    assert found["licences"] == {"mpl-2.0": found["totals"]["bytes"]}
    assert max(found["languages"], key=found["languages"].get) == "nl"
    assert found["tokens_per_word"] == {"base": 2.5, "new": 1.5}


def test_page_holds_the_examples_and_needs_nothing_beside_itself(report):
    page = (report[0] / "report.html").read_text()
    assert ENGLISH in page
    assert "<b>jan</b>" not in page
    assert "http" not in page.replace("http-equiv", "")
    found = json.loads((report[0] / "corpus_report.json").read_text())
    assert page.count("<summary>") == 1 + len(found["examples"]) + len(found["line_examples"])


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
