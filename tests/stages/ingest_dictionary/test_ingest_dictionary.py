import gzip
import json

import pytest
from ingest_case import DATA, DUTCH, card, execution

from pipeline.errors import UserError
from stages.ingest_dictionary.settings import IngestDictionarySettings
from stages.ingest_dictionary.stage import ingest_dictionary

DICTD = {"source_to_target": "freedict-eng-nld.index", "target_to_source": "freedict-nld-eng.index"}


def run(out, dictionary, cards=()):
    out.mkdir()
    settings = IngestDictionarySettings.model_validate(
        {"language": DUTCH.model_dump(), "dictionary": dictionary, "cards": cards}
    )
    metrics = ingest_dictionary(settings, {}, out, execution(out))
    lines = (out / "dictionary.tsv").read_text(encoding="utf-8").splitlines()
    return metrics, [tuple(line.split("\t")) for line in lines], json.loads((out / "dictionary.json").read_text())


def own(path):
    return {"kind": "file", "path": str(path), "sha256": None}


def test_single_words_of_cards_sorted_and_each_once(tmp_path):
    freedict = card(DATA / "readers" / "dictd", "freedict", "dictd", "dictionary", **DICTD)
    metrics, pairs, described = run(tmp_path / "out", {"kind": "cards", "cards": ["freedict"]}, (freedict,))
    assert pairs == sorted(set(pairs))
    assert {("able", "bereid"), ("again", "weer"), ("desire", "begeren")} <= set(pairs)
    assert all(len(pair) == 2 and not any(" " in word for word in pair) for pair in pairs)
    assert metrics["pairs"] == len(pairs) == described["pairs"]
    entry = described["cards"][0]
    assert entry["entries"] == entry["kept"] + sum(entry["dropped"].values())
    assert entry["dropped"]["no_single_words"] > 0


@pytest.mark.parametrize("name", ["words.tsv", "words.tsv.gz"])
def test_a_file_of_ones_own(tmp_path, name):
    text = "house\thuis\tnoun\n\nhouse\thuis\nHouse\thuis\nto go\tgaan\nnaïve\tnaïef\nB2B\tB2B\nÃ\t1\n".encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    metrics, pairs, described = run(tmp_path / "out", own(tmp_path / name))
    assert pairs == [("House", "huis"), ("house", "huis"), ("naïve", "naïef")]
    assert metrics == {"pairs": 3, "source_words": 3, "target_words": 2}
    assert described["cards"][0]["dropped"] == {"duplicate": 1, "no_single_words": 3}


def test_a_dictionary_without_words_or_tabs_is_told(tmp_path):
    (tmp_path / "none.tsv").write_text("to go\tgaan\n")
    with pytest.raises(UserError, match=r"no pair of single words: choose others in dictionary\.cards"):
        run(tmp_path / "out", own(tmp_path / "none.tsv"))
    (tmp_path / "broken.tsv").write_text("house\thuis\nboat boot\n")
    with pytest.raises(UserError, match="line 2: no tab between a source and a target word"):
        run(tmp_path / "again", own(tmp_path / "broken.tsv"))


def test_a_file_that_changes_after_planning_is_refused(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("house\thuis\n")
    given = {"language": DUTCH.model_dump(), "dictionary": own(path), "cards": []}
    planned = IngestDictionarySettings.model_validate(given)
    assert planned.identity()["dictionary"]["path"] is None
    assert IngestDictionarySettings.model_validate_json(planned.model_dump_json()) == planned  # as the worker does
    path.write_text("house\tboot\n")
    with pytest.raises(ValueError, match="has changed since the run was planned"):
        IngestDictionarySettings.model_validate(planned.model_dump(mode="json"))
