"""Language files: which there are, that they plan without network, and what packaged text is known of each."""

import json
import re
import subprocess
import sys

import pytest
from smoke_chain import without_network

from pipeline import graph, packaged_text
from pipeline.__main__ import main
from pipeline.cards import load_cards
from pipeline.config import languages, load_config
from pipeline.errors import UserError
from pipeline.packaged_text import KINDS
from pipeline.provenance import ROOT
from pipeline.settings import CardLists
from pipeline.sources import current_lock
from stages.shared.language_identification import script_share

EUROPEAN_UNION = set(re.findall(r"\w+", "bg cs da de el en es et fi fr ga hr hu it lt lv mt nl pl pt ro sk sl sv"))
OTHERS = {"af", "ba", "cv", "fy", "hy", "tt"}
CARDS = load_cards()
SMALL_WORDS = 60_000
"""With fewer, conf/corpus/packaged_small.yaml."""


@pytest.fixture(scope="module")
def configs():
    return {name: load_config([f"language={name}"]) for name in languages()}


@pytest.mark.parametrize("language", languages())
def test_every_language_composes_and_plans(language):
    config = load_config([f"language={language}"])
    assert graph.adapt(config, current_lock(config))[0].stage.name == "fetch_base_model"


def test_all_languages_of_the_union_and_some_others_have_a_file(configs):
    codes = [config.language.code for config in configs.values()]
    assert {*codes} >= EUROPEAN_UNION | OTHERS
    assert len(codes) == len({*codes})
    assert all(name == config.language.name for name, config in configs.items())


@pytest.mark.parametrize(
    "names", [["dutch", "tatar", "maltese"], pytest.param(languages(), marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_languages_plan_without_network(tmp_path, names):
    prefix = without_network()
    if not prefix:
        pytest.skip("this machine cannot take the network away")
    code = (
        "from pipeline import graph\nfrom pipeline.config import load_config\n"
        "from pipeline.sources import current_lock\n"
        f"for name in {names}:\n"
        f"    config = load_config([f'language={{name}}', 'machine.artifacts={tmp_path}'])\n"
        "    print(graph.adapt(config, current_lock(config))[-1].name)\n"
    )
    done = subprocess.run([*prefix, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["report"] * len(names)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", languages())
def test_the_sentences_of_a_language_are_in_its_script(name, configs):
    evaluation = configs[name].evaluation
    texts = [evaluation.report.sample_sentence.target, *evaluation.generation.prompts]
    assert all(script_share(text, configs[name].language.script) == 1 for text in texts)


@pytest.mark.parametrize("name", languages())
def test_the_cards_of_a_language_cover_it_and_hold_text(name, configs):
    config, measured = configs[name], packaged_text.load_measures().get(name, {})
    named = {card for group in config.cards.values() for kind in KINDS for card in getattr(group, kind)}
    assert all(CARDS[card].covers(config.language.code) for card in named)
    packaged = config.cards["packaged"]
    pairs = {*packaged.bitext, *packaged.dictionaries}
    for card, found in measured.items():
        assert found.words > 0
        assert (found.pairs > 0) == (card in pairs)


def test_a_language_with_little_text_holds_more_of_it_out(configs):
    measures, large = packaged_text.load_measures(), configs["dutch"].corpus.split.test_share
    whole = {name: packaged_text.packaged_text(config, measures) for name, config in configs.items()}
    words = {name: text.words for name, text in whole.items() if not text.unmeasured}
    small = {name for name in words if configs[name].corpus.split.test_share > large}
    assert small == {name for name, count in words.items() if count < SMALL_WORDS} >= {"tatar", "maltese", "chuvash"}


def test_the_table_has_a_line_for_each_language(capsys, configs):
    assert main(["languages"]) == 0
    shown = capsys.readouterr().out
    for name, config in configs.items():
        assert any(name in line and config.language.english_name in line for line in shown.splitlines())


def test_what_is_not_measured_counts_as_nothing_and_is_named(configs):
    config = configs["tatar"]
    measures = {"tatar": dict(packaged_text.load_measures()["tatar"])}
    everything = packaged_text.packaged_text(config, measures)
    stale = measures["tatar"]["udhr"]
    measures["tatar"]["udhr"] = stale.model_copy(update={"fingerprint": "0" * 12})  # measured with another version
    without = packaged_text.packaged_text(config, measures)
    assert without.unmeasured == ("udhr",)
    assert without.words == everything.words - stale.words


def test_measuring_reads_the_files_and_only_what_changed(tmp_path, monkeypatch, configs):
    named = CardLists(corpus=("sample_text",), bitext=("sample_bitext",))
    config = configs["dutch"].model_copy(update={"cards": {"packaged": named}})
    path = tmp_path / "measured.json"
    assert packaged_text.measure([config], path) == 2
    assert packaged_text.measure([config], path) == 0
    lines = {line.strip() for line in (ROOT / "tests/data/dutch.txt").read_text(encoding="utf-8").splitlines()} - {""}
    found = packaged_text.packaged_text(config, packaged_text.load_measures(path))
    assert found.bytes == pytest.approx(sum(len(line.encode()) for line in lines), rel=0.02)
    assert found.pairs > 100


def test_a_broken_file_of_figures_is_named(tmp_path):
    path = tmp_path / "measured.json"
    path.write_text(json.dumps({"dutch": {"udhr": {"words": 1}}}))
    with pytest.raises(UserError, match="make languages MEASURE=1"):
        packaged_text.load_measures(path)
