"""Gopher's rules find what datatrove finds in the same documents; its figures are in tests/data/curation."""

import json
from functools import cache

import numpy as np
import pytest
from curation_case import DATA, DUTCH, KLINGON, TATAR, batch, one, pages, settings

from stages.shared.curation.gopher_quality import gopher_quality
from stages.shared.curation.gopher_repetition import gopher_repetition, paragraph_figures

LANGUAGES = {"dutch": DUTCH, "tatar": TATAR}
# The names that datatrove gives to the checks.
QUALITY = {
    "gopher_short_doc": "min_words",
    "gopher_enough_stop_words": "min_stop_words",
    "gopher_below_alpha_threshold": "min_alphabetic_words",
}
REPETITION = {"dup_line_frac": "max_duplicate_lines", "dup_line_char_frac": "max_duplicate_line_characters"}
REPETITION |= {f"top_{n}_gram": f"max_top_{n}_gram" for n in (2, 3, 4)}
REPETITION |= {f"duplicated_{n}_n_grams": f"max_duplicate_{n}_grams" for n in range(5, 11)}


@cache
def recorded(name):
    found = json.loads((DATA / "curation" / "datatrove.json").read_text(encoding="utf-8"))
    documents = [document for document in found["documents"] if document["file"] == name]
    texts = ["\n".join(pages(name)[number] for number in document["pages"]) for document in documents]
    words = {LANGUAGES[file].code: stop_words for file, stop_words in found["stop_words"].items()}
    return texts, documents, words


@pytest.mark.parametrize("name", LANGUAGES)
def test_quality_drops_what_datatrove_drops_for_the_same_reason(name):
    texts, documents, stop_words = recorded(name)
    found = one("gopher_quality", texts, LANGUAGES[name], stop_words=stop_words)
    assert found.checks == [QUALITY.get(document["quality"]) for document in documents]
    assert any(found.reasons)


@pytest.mark.parametrize("name", LANGUAGES)
def test_repetition_drops_what_datatrove_drops_for_the_same_reason(name):
    texts, documents, _ = recorded(name)
    found = one("gopher_repetition", texts, LANGUAGES[name])
    assert found.checks == [REPETITION.get(document["repetition"]) for document in documents]
    assert len(set(found.checks)) > 2


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_share_of_repetition_is_datatroves(name):
    texts, documents, _ = recorded(name)
    scores = gopher_repetition(batch(*texts), settings("gopher_repetition"), LANGUAGES[name]).scores
    lengths = np.array([len(text) for text in texts])
    lines = np.array([text.count("\n") + 1 for text in texts])
    expected = {f"top_{n}_gram": [document["top"][str(n)] for document in documents] / lengths for n in (2, 3, 4)}
    for n in range(5, 11):
        expected[f"duplicate_{n}_grams"] = [document["duplicate"][str(n)] for document in documents] / lengths
    expected["duplicate_lines"] = [document["lines"][0] for document in documents] / lines
    expected["duplicate_line_characters"] = [document["lines"][1] for document in documents] / lengths
    for key, shares in expected.items():
        np.testing.assert_allclose(scores[key], shares, err_msg=key)
        assert shares.any()


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("# " * 30 + "deze heeft een van " * 20, "max_hash_ratio"),
        ("deze heeft ... een … van ... zodat " * 10, "max_ellipsis_ratio"),
        ("- de het een van dat\n• nog een regel van de lijst\n" * 10, "max_bullet_lines"),
        ("de hele zin van het begin breekt nu zomaar af...\n" * 10, "max_ellipsis_lines"),
        ("deze 1234 heeft 5678 de " * 20, "min_alphabetic_words"),
        ("zij aan hem zij " * 20, "min_stop_words"),
        ("een twee drie", "min_words"),
        ("ik a b de " * 20, "min_mean_word_length"),
        ("verkeersveiligheidsmaatregelen de " * 30, "max_mean_word_length"),
    ],
)
def test_each_check_of_quality(text, check):
    assert one("gopher_quality", [text]).checks == [check]
    assert one("gopher_quality", [text], **{check: None}).checks != [check]


def test_without_stop_words_for_a_language_that_check_is_off():
    found = gopher_quality(batch("qapla' batlh je " * 30), settings("gopher_quality"), KLINGON)
    assert "min_stop_words" not in found.dropped
    assert "stop_words" not in found.scores


def test_documents_without_words_have_no_shares():
    found = one("gopher_quality", ["", "\n", "... —"], min_words=None, min_mean_word_length=None)
    assert found.scores["gopher_quality.ellipsis_ratio"].tolist() == [0, 0, 0.5]
    assert one("gopher_repetition", ["", "een", "een een"]).checks == [None, None, "max_top_2_gram"]


def test_paragraphs_lie_between_empty_lines():
    found = paragraph_figures(batch("aa\n\nbb\n\naa\n\naa", "aa\nbb\naa"))
    assert found["duplicate_paragraphs"].tolist() == [0.5, 0]
    assert found["duplicate_paragraph_characters"].tolist() == [4 / 14, 0]
