"""Precision and recall against a dictionary, on an example counted by hand."""

import pytest
import tiny_vocabularies as tiny

from stages.align_tokens import dictionary_quality as quality
from stages.align_tokens.word_units import WordUnits
from stages.shared.alignment_table import WordPair

ENGLISH = ["the house", "a House", "the boat"]
DUTCH = ["het huis", "een huis", "de boot"]
DICTIONARY = {("house", "huis"), ("house", "woning"), ("the", "de"), ("the", "het"), ("a", "een"), ("boat", "huis")}


@pytest.fixture
def case(tmp_path):
    units = (
        WordUnits(tiny.load(tmp_path / "en", "byte_level", ["the", "a", " house", " House", " boat"])),
        WordUnits(tiny.load(tmp_path / "nl", "sentencepiece", [" het", " huis", " een", " de", " boot"])),
    )
    return (units[0].cut(ENGLISH), units[1].cut(DUTCH)), units


TABLE = [
    WordPair("Ġhouse", "▁huis", -1, 1.0),
    WordPair("ĠHouse", "▁huis", -1, 1.0),  # together more than the next
    WordPair("a", "▁huis", -1, 1.5),
    WordPair("the", "▁het", -1, 1.0),
    WordPair("the", "▁de", -1, 0.4),
    WordPair("Ġboat", "▁de", -1, 0.6),
    WordPair("<eps>", "▁de", -1, 9.0),
    WordPair("Ġboat", "▁een", -1, 0.6),
]


def test_precision_and_recall_are_as_counted_by_hand(case):
    text, units = case
    # Together: house huis, the de, the het, a een. Best: huis house, het the, de boat (the is second), een boat.
    assert quality.dictionary_figures(TABLE, DICTIONARY, text, units) == {
        "dictionary_pairs": 4,
        "dictionary_recall_1": 0.5,
        "dictionary_recall_3": 0.75,
        "dictionary_precision": 0.5,
        "dictionary_precision_of_source": round(2 / 3, 6),  # house huis, the het; a huis is not in it
    }


def test_without_a_pair_in_the_text_nothing_is_said(case):
    text, units = case
    assert quality.dictionary_figures(TABLE, {("cow", "koe")}, text, units) == {"dictionary_pairs": 0}


def test_the_dictionary_is_read_in_lower_case(tmp_path):
    (tmp_path / "dictionary.tsv").write_text("House\tHuis\nhouse\thuis\n", encoding="utf-8")
    assert quality.read_dictionary(tmp_path / "dictionary.tsv") == {("house", "huis")}
