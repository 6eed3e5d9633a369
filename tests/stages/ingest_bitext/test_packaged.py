"""The packaged cards of the two default languages, from the registries: enough pairs, and nothing held out leaks."""

import json
from pathlib import Path

import pytest
from ingest_case import ROOT, execution

from pipeline.card_lock import load_lock
from pipeline.cards import resolve_cards
from pipeline.config import load_config
from stages.ingest_bitext.settings import IngestBitextSettings
from stages.ingest_bitext.stage import ingest_bitext
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_corpus.stage import ingest_corpus


@pytest.mark.network
@pytest.mark.parametrize(("language", "pairs", "training_share"), [("dutch", 55_000, 0.9), ("tatar", 6_500, 0.8)])
def test_packaged_text_is_enough(tmp_path, language, pairs, training_share):
    config = load_config([f"language={language}"])
    language, corpus, bitext = config.language, config.corpus, config.bitext
    lock = load_lock(ROOT / "data_cards" / "lock.json")
    where = execution(tmp_path / "downloads")
    for name in ("corpus", "bitext"):
        (tmp_path / name).mkdir()
    cards = resolve_cards(corpus.cards, language.source_code, language.code, lock)
    ingest_corpus(IngestCorpusSettings(language=language, corpus=corpus, cards=cards), {}, tmp_path / "corpus", where)
    cards = resolve_cards(bitext.cards, language.source_code, language.code, lock)
    settings = IngestBitextSettings(
        language=language, bitext=bitext, cards=cards, decontamination=corpus.decontamination
    )
    ingest_bitext(settings, {"corpus": tmp_path / "corpus"}, tmp_path / "bitext", where)

    summaries = [summary(tmp_path / name) for name in ("corpus", "bitext")]
    assert [found["overlap"] for found in summaries] == [0, 0]
    assert sum(split["pairs"] for split in summaries[1]["splits"].values()) >= pairs
    sizes = {name: split["bytes"] for name, split in summaries[0]["splits"].items()}
    assert 50_000 <= sizes["test"] <= 300_000
    assert sizes["train"] >= training_share * sum(sizes.values())


def summary(folder: Path) -> dict:
    return json.loads((folder / f"{folder.name}.json").read_text())
