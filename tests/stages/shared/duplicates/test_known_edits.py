"""Recall and precision of near duplicates on real documents with known edits."""

import gzip
from pathlib import Path

import pytest
from known_edits import EDITS, measure

from pipeline.config import load_config
from stages.shared.words import words

DATA = Path(__file__).parents[3] / "data"
LARGER = Path(__file__).parents[4].parent / "shared" / "data" / "monolingual" / "nl" / "msdocs-ht.txt.gz"
SETTINGS = load_config(["language=dutch"]).corpus.duplicates.near
LEAST_WORDS = 100
"""In fewer, one edit is more than a trifle."""


def documents(text):
    return [document for document in text.strip().split("\n\n") if len(words(document)) >= LEAST_WORDS]


def pages():
    return [page for name in ("dutch", "templated") for page in documents((DATA / f"{name}.txt").read_text())]


def check(found):
    print(found)
    assert found.recall >= 0.95
    assert found.precision >= 0.95


def test_help_pages_with_templates(tmp_path):
    found = measure(pages(), EDITS, SETTINGS, tmp_path)
    check(found)
    assert found.edited > 300
    assert found.most_similar_originals > 0.6
    assert min(found.recall_by_edit.values()) >= 0.9


@pytest.mark.parametrize("edit", EDITS)
def test_one_edit_alone_is_found_without_others_between(tmp_path, edit):
    found = measure(pages(), [edit], SETTINGS, tmp_path)
    check(found)
    assert found.edited > 50


def test_pages_of_one_template_are_what_a_low_threshold_takes_for_duplicates(tmp_path):
    low = SETTINGS.model_copy(update={"bands": 56, "rows": 2, "threshold": 0.4})
    assert measure(pages(), EDITS, low, tmp_path).precision < 0.95


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not LARGER.is_file(), reason=f"{LARGER} is not there")
def test_larger_text(tmp_path):
    with gzip.open(LARGER, "rt", encoding="utf-8") as file:
        texts = [text for text in documents(file.read()) if len(text) < 10_000]
    found = measure(texts[::8], EDITS, SETTINGS, tmp_path)
    check(found)
    assert found.edited > 2000
