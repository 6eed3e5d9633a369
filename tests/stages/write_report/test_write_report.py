"""write_report: the sentence, results.json, and a page that is safe, whole and the same to the byte."""

import base64
import hashlib
import io
import json
import math
import re
import shutil
from html.parser import HTMLParser

import pytest
import tiny_vocabularies as tiny
import yaml
from preset_mapping import preset
from rich.console import Console
from tiny_models import save_tiny_model

from pipeline.provenance import ROOT
from pipeline.stage import Execution
from stages.map_embeddings.stage import map_embeddings
from stages.shared.verdict import judge
from stages.write_report.charts import axis
from stages.write_report.settings import WriteReportSettings
from stages.write_report.stage import write_report
from stages.write_report.table import comparison_table, results_table

EXECUTION = Execution.model_construct()
SYSTEMS = ("source", "source_finetuned", "random", "mapped", "adapted")
LENGTHS = [700, 900, 1200, 400, 2000, 1500, 800, 650]
SCRIPT = "<script>alert('é')</script>"


def write_evaluation(folder, bits, tokens, text):
    folder.mkdir(parents=True)
    wobble = [0.97, 1.02, 1.0, 1.05, 0.99, 0.98, 1.03, 1.01]
    nll = [bits * math.log(2) * length * factor for length, factor in zip(LENGTHS, wobble, strict=True)]
    total = math.fsum(nll)
    found = {
        "bits_per_byte": total / math.log(2) / sum(LENGTHS),
        "bits_per_byte_low": bits * 0.97,
        "bits_per_byte_high": bits * 1.03,
        "ppl": math.exp(total / tokens),
        "tokens_per_word": tokens / 1300,
        "nll": total,
        "tokens": tokens,
        "words": 1300,
        "bytes": sum(LENGTHS),
        "documents": len(LENGTHS),
        "groups": len(LENGTHS),
        "parameters": 1000,
        "vocabulary_size": 320,
        "per_document": {"nll": nll, "bytes": LENGTHS, "group": [f"page {number}" for number in range(len(LENGTHS))]},
        "sample": {"split": "test", "seed": 1, "sha256": "0" * 64},
        "bootstrap": {"samples": 400, "confidence": 0.95, "seed": 1},
    }
    (folder / "evaluation.json").write_text(json.dumps(found))
    sample = {"prompt": "De <b>hoofdstad</b>", "reference": None, "continuation": text}
    (folder / "samples.json").write_text(json.dumps([sample]))


def prepare(folder, tokenizer, bits, systems=SYSTEMS):
    """Write what the report reads; `bits` by system."""
    inputs = {"base_model": tokenizer, "tokenizer": tokenizer}
    for name in systems:
        inputs[f"evaluation_{name}"] = folder / name
        write_evaluation(folder / name, bits[name], 4000 if name.startswith("source") else 2000, SCRIPT)
    for name in ("adapted_model", "source_finetuned_model"):
        inputs[name] = folder / name
        (folder / name).mkdir()
        steps = [{"step": step, "tokens": 100 * step, "loss": 5 - step / 50} for step in range(1, 81)]
        (folder / name / "metrics.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps))
    inputs["corpus"] = folder / "corpus"
    inputs["corpus"].mkdir()
    card = {"name": "card & co", "licence": "MPL-2.0", "kept": 10, "dropped": {"duplicate": 2}, "words": 99}
    (inputs["corpus"] / "corpus.json").write_text(json.dumps({"cards": [card]}))
    manifest = {
        "stage": "ingest_corpus",
        "fingerprint": "ab" * 32,
        "versions": {"numpy": "2.0"},
        "started": "2026-01-01",
    }
    (inputs["corpus"] / "manifest.json").write_text(json.dumps(manifest))
    inputs["alignment"] = folder / "alignment"
    inputs["alignment"].mkdir()
    words = [{"source": "house", "target": "huis", "count": 41.5, "share": 0.9}]
    (inputs["alignment"] / "alignment.json").write_text(json.dumps({"best_words": words, "token_coverage": 0.8}))
    return inputs


def report_settings(systems=SYSTEMS, target="Nee, ik ben geen giraf."):
    report = yaml.safe_load((ROOT / "conf" / "evaluation" / "default.yaml").read_text())["report"]
    report["sample_sentence"]["target"] = target
    language = {"name": "dutch", "english_name": "Dutch", "code": "nl", "source_code": "en", "script": "Latn"}
    return WriteReportSettings(language=language, report=report, systems=systems, base_model_name="tiny-llama")


def make(folder, tokenizer, bits, systems=SYSTEMS, without=(), name="report-0123456789ab.unfinished"):
    inputs = prepare(folder / "inputs", tokenizer, bits, systems)
    out = folder / name
    out.mkdir(parents=True)
    kept = {key: path for key, path in inputs.items() if key not in without}
    write_report(report_settings(systems), kept, out, EXECUTION)
    return json.loads((out / "results.json").read_text()), (out / "report.html").read_text(encoding="utf-8")


BITS = {"source": 2.2, "source_finetuned": 2.1, "random": 7.0, "mapped": 3.0, "adapted": 2.15}


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("report") / "tokenizer")


def test_results_keep_the_contract(tokenizer, tmp_path):
    results, _ = make(tmp_path, tokenizer, BITS)
    assert (results["language"], results["base_model"], results["run"]) == ("dutch", "tiny-llama", "0123456789ab")
    systems = {system["name"]: system for system in results["systems"]}
    assert list(systems) == list(SYSTEMS)
    assert systems["adapted"]["tokens_trained"] == systems["source_finetuned"]["tokens_trained"] == 8000
    assert systems["mapped"]["tokens_trained"] == 0
    for system in systems.values():
        assert system["bits_per_byte_low"] <= system["bits_per_byte"] <= system["bits_per_byte_high"]
    adapted = systems["adapted"]
    assert adapted["ppl_token_ratio"] == pytest.approx(adapted["ppl"] * 2000 / 4000)
    assert adapted["ppl_mielke"] == pytest.approx(math.sqrt(adapted["ppl"]))
    assert systems["source"]["ppl_mielke"] == pytest.approx(systems["source"]["ppl"])


def test_who_cannot_write_all_of_the_text_is_named(tokenizer, tmp_path):
    inputs = prepare(tmp_path / "inputs", tokenizer, BITS)
    told = inputs["evaluation_source"] / "evaluation.json"
    told.write_text(json.dumps(json.loads(told.read_text()) | {"unknown_tokens": 1234}))
    write_report(report_settings(), inputs, tmp_path, EXECUTION)
    systems = json.loads((tmp_path / "results.json").read_text())["systems"]
    assert [system.get("unknown_tokens") for system in systems] == [1234, None, None, None, None]
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", (tmp_path / "report.html").read_text(encoding="utf-8")))
    assert "Source: 1,234 of its 4,000 tokens of this text are unknown ones (&lt;unk&gt;)." in shown
    assert shown.count("unknown ones") == 1


@pytest.mark.parametrize(
    ("adapted", "expected"),
    [
        (2.0, "is better than tiny-llama as it came .*, and better than tiny-llama trained on the same text"),
        (2.15, "is worse than tiny-llama trained on the same text .*, but better than tiny-llama as it came"),
        (2.5, "is worse than tiny-llama as it came .*, and worse than tiny-llama trained on the same text"),
        (2.2, "is worse than tiny-llama trained on the same text .*, and tied with tiny-llama as it came .* holds 0"),
    ],
)
def test_the_first_sentence_says_it_plainly_worst_first(adapted, expected, tokenizer, tmp_path):
    results, page = make(tmp_path, tokenizer, {**BITS, "adapted": adapted})
    assert re.search(expected, results["summary"])
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    assert results["summary"] in shown


def test_an_interval_that_holds_zero_is_a_tie():
    assert [judge(-0.1, 0.1), judge(0.0, 0.1), judge(0.01, 0.1), judge(-0.2, -0.1)] == ["tie", "tie", "worse", "better"]
    assert judge(None, None) == "unknown"


class Checker(HTMLParser):
    """Collects what would load something, and sees that every element is closed."""

    VOID = ("meta", "br", "img", "link", "input")

    def __init__(self):
        super().__init__()
        self.open, self.loading, self.tags = [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.loading += [value for name, value in attributes if name in ("src", "href", "srcset", "data")]
        given = dict(attributes)
        if "scroll" in given.get("class", "").split():  # else a wide table cannot be scrolled without a mouse
            assert (given["tabindex"], given["role"]) == ("0", "region")
            assert given["aria-label"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_escapes_texts_and_loads_nothing(tokenizer, tmp_path):
    _, page = make(tmp_path, tokenizer, BITS)
    assert page.startswith("<!DOCTYPE html>")
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.loading == []
    assert "script" not in checker.tags
    assert "&lt;script&gt;" in page
    assert "url(" not in page
    assert "card &amp; co" in page
    assert "huis" in page
    assert "abababababab" in page
    assert "2026-01-01" not in page


def test_the_confidence_is_the_same_figure_wherever_it_stands(tokenizer, tmp_path):
    inputs = prepare(tmp_path / "inputs", tokenizer, BITS)
    for name in SYSTEMS:
        path = inputs[f"evaluation_{name}"] / "evaluation.json"
        path.write_text(path.read_text().replace('"confidence": 0.95', '"confidence": 0.975'))
    out = tmp_path / "report-0123456789ab.unfinished"
    out.mkdir()
    write_report(report_settings(), inputs, out, EXECUTION)
    page = " ".join((out / "report.html").read_text(encoding="utf-8").split())
    assert set(re.findall(r"([\d.]+) % interval", page)) == {"97.5"}


def test_equal_inputs_give_equal_bytes_whatever_the_folder(tokenizer, tmp_path):
    for name in ("one", "another_folder"):
        (tmp_path / name).mkdir()
    assert make(tmp_path / "one", tokenizer, BITS) == make(tmp_path / "another_folder", tokenizer, BITS)


def test_what_a_dictionary_says_of_the_alignment_is_shown(tokenizer, tmp_path):
    inputs = prepare(tmp_path / "inputs", tokenizer, BITS)
    path = inputs["alignment"] / "alignment.json"
    quality = {f"dictionary_{key}": value for key, value in QUALITY.items()}
    path.write_text(json.dumps(json.loads(path.read_text()) | quality))
    (tmp_path / "none").mkdir()
    out = tmp_path / "report-0123456789ab.unfinished"
    out.mkdir()
    write_report(report_settings(), inputs, out, EXECUTION)
    page = " ".join((out / "report.html").read_text(encoding="utf-8").split())
    assert "75.5 % of the words have a best partner that the dictionary knows" in page
    assert "50.0 % of its 3,182 pairs that occur here are best, 66.6 % among the best three." in page
    assert "Measured with one" not in make(tmp_path / "none", tokenizer, BITS)[1]


QUALITY = {"pairs": 3182, "precision": 0.755, "recall_1": 0.5, "recall_3": 0.666}


def test_what_texts_were_decoded_by_is_said(tokenizer, tmp_path):
    (tmp_path / "greedy").mkdir()
    assert "Greedy continuations, the most probable token" in make(tmp_path / "greedy", tokenizer, BITS)[1]
    inputs = prepare(tmp_path / "inputs", tokenizer, BITS)
    recipe = {"settings": {"generation": {"decoding": {"method": "top_k"}}}}
    manifest = {"stage": "evaluate_model", "recipe": recipe}
    (inputs["evaluation_source"] / "manifest.json").write_text(json.dumps(manifest))
    out = tmp_path / "report-0123456789ab.unfinished"
    out.mkdir()
    write_report(report_settings(), inputs, out, EXECUTION)
    assert "Continuations, decoded by top k: nothing was picked out" in (out / "report.html").read_text()


def test_without_baseline_alignment_and_bitext_the_rest_is_shown(tokenizer, tmp_path):
    systems = ("source", "random", "mapped", "adapted")
    results, page = make(tmp_path, tokenizer, BITS, systems, without=("alignment", "source_finetuned_model", "corpus"))
    assert "trained on the same text" not in results["summary"]
    assert "best-aligned" not in page
    assert "Training loss" in page


def test_held_out_text_is_drawn_for_each_language_with_who_was_watched_on_it(tokenizer, tmp_path):
    assert "Held-out text while training" not in make(tmp_path / "unwatched", tokenizer, BITS)[1]
    inputs = prepare(tmp_path / "inputs", tokenizer, BITS)
    looks = {"adapted_model": {"target": (4.0, 3.0, 2.0), "source": (1.0, None, 1.5)}}
    looks["source_finetuned_model"] = {"target": (2.5, 2.5, 2.25)}
    for name, texts in looks.items():
        lines = [
            {"step": 40 * place, "tokens": 4000 * place, "text": text, "bits_per_byte": value}
            for text, values in texts.items()
            for place, value in enumerate(values)
        ]
        (inputs[name] / "held_out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "report-0123456789ab.unfinished"
    out.mkdir()
    write_report(report_settings(), inputs, out, EXECUTION)
    page = (out / "report.html").read_text(encoding="utf-8")
    said = "Dutch in bits per byte: Source, fine-tuned from 2.50 to 2.25; Adapted from 4.00 to 2.00"
    assert f'aria-label="{said}"' in page
    assert 'aria-label="The source language (en) in bits per byte: Adapted from 1.00 to 1.50"' in page
    # 2 to 4 bits per byte from bottom to top, the text from left to right; a look without a finite loss is passed over.
    assert '<polyline class="adapted" points="0.00,0.00 50.00,50.00 100.00,100.00"/>' in page
    assert '<polyline class="adapted" points="0.00,100.00 100.00,0.00"/>' in page


def test_evaluations_of_different_text_are_not_compared(tokenizer, tmp_path):
    inputs = prepare(tmp_path / "inputs", tokenizer, BITS)
    path = inputs["evaluation_mapped"] / "evaluation.json"
    path.write_text(path.read_text().replace("0" * 64, "1" * 64))
    with pytest.raises(ValueError, match="different text"):
        write_report(report_settings(), inputs, tmp_path, EXECUTION)


def test_tables_for_the_terminal(tokenizer, tmp_path):
    results, _ = make(tmp_path, tokenizer, BITS)
    console = Console(file=io.StringIO(), width=200)
    console.print(results_table(results))
    console.print(comparison_table([("mapping=[mean]", results)]))
    shown = console.file.getvalue()
    assert "source_finetuned" in shown
    assert "mapping=[mean]" in shown
    assert "+0.050 worse" in shown
    assert "8,000" in shown


@pytest.mark.parametrize(("low", "high"), [(0, 7.9), (2.0, 2.0), (-0.31, 0.02), (0, 0.0004), (3, 1e6)])
def test_an_axis_holds_its_values_with_few_marks(low, high):
    marks = axis(low, high)
    assert marks[0] <= low <= high <= marks[-1]
    assert 2 <= len(marks) <= 7


HOSTILE = ["</script><b>", " <!--<script>", "&amp;", " \u2028", "'\""]


@pytest.fixture(scope="module")
def mapped(tokenizer, tmp_path_factory):
    """A model with tokens that HTML, JSON and scripts could stumble over."""
    folder = tmp_path_factory.mktemp("mapped")
    target = tiny.make(folder / "tokenizer", "sentencepiece", [" huis", " boom", *HOSTILE])
    (folder / "model").mkdir()
    inputs = {"base_model": tokenizer, "tokenizer": target}
    map_embeddings(preset("subtoken_mean"), inputs, folder / "model", EXECUTION)
    return {"tokenizer": target, "initialized_model": folder / "model"}


def page_with(mapped, tokenizer, folder, **changes):
    settings = report_settings()
    settings = settings.model_copy(update={"report": settings.report.model_copy(update=changes)})
    inputs = {**prepare(folder / "inputs", tokenizer, BITS), **mapped}
    write_report(settings, inputs, folder, EXECUTION)
    page = (folder / "report.html").read_text(encoding="utf-8")
    data, script = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    return page, json.loads(data), script


def test_the_page_holds_every_token_with_its_sources_and_escapes_them(mapped, tokenizer, tmp_path):
    page, data, script = page_with(mapped, tokenizer, tmp_path)
    place = data["tokens"].index(" huis")
    sources = [data["sources"][number] for number in data["made"][place][0::2]]
    assert "".join(sources) == " huis"
    assert data["made"][place][1::2] == [1000 // len(sources)] * len(sources)
    assert data["names"][ord(data["how"][place]) - ord("a")] in ("copied", "spelled")
    assert {"</script><b>", " <!--<script>", "&amp;", " ⟨U+2028⟩", "'\""} <= set(data["tokens"])
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.loading == []
    assert "<!--<script>" not in page
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "left out" not in page


def test_what_the_weights_lean_on_and_do_not_show_is_said(mapped, tokenizer, tmp_path):
    assert "calibration" not in page_with(mapped, tokenizer, tmp_path)[0]
    model = shutil.copytree(mapped["initialized_model"], tmp_path / "model")
    told = json.loads((model / "mapping.json").read_text())
    (model / "mapping.json").write_text(json.dumps(told | {"prior_share": 0.5, "calibration_strength": 0.3}))
    (tmp_path / "calibrated").mkdir()
    page, _, _ = page_with(mapped | {"initialized_model": model}, tokenizer, tmp_path / "calibrated")
    assert "lean on how a token is spelled by 50 %" in page
    assert "shifted all rows that predict, copies too" in page


def test_a_vocabulary_above_the_limit_is_cut_and_the_page_says_so(mapped, tokenizer, tmp_path):
    page, data, _ = page_with(mapped, tokenizer, tmp_path, listed_tokens=6)
    assert len(data["tokens"]) == len(data["made"]) == len(data["how"]) == 6
    assert "6 tokens with the lowest ids" in page
    assert "are left out" in page
