import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_vocabularies as tiny

from pipeline.errors import UserError
from stages.align_tokens.sentence_pairs import read_pairs
from stages.align_tokens.settings import PairCleaning
from stages.align_tokens.word_units import WordUnits

ALL = PairCleaning(placeholders=True, copies=True, duplicates=True, length_ratio=3)


@pytest.fixture
def read(tmp_path):
    tiny.make(tmp_path / "source", "byte_level", ["the", " house", "house", "a"])
    tiny.make(tmp_path / "target", "sentencepiece", [" het", " huis", " een"])
    units = [WordUnits(tiny.load(tmp_path / side, *kind)) for side, kind in SIDES.items()]

    def run(pairs, cleaning=ALL):
        table = pa.table({"source_text": [pair[0] for pair in pairs], "target_text": [pair[1] for pair in pairs]})
        pq.write_table(table, tmp_path / "train.parquet")
        source, target, left_out = read_pairs(tmp_path / "train.parquet", *units, cleaning)
        assert len(source) == len(target)
        return len(source), left_out.figures()

    return run


SIDES = {
    "source": ("byte_level", ["the", " house", "house", "a"]),
    "target": ("sentencepiece", [" het", " huis", " een"]),
}


def test_each_rule_leaves_out_its_pairs(read):
    pairs = [
        ("the house", "het huis"),
        ("The house $1", "Het huis $1"),  # the first but for case and a placeholder
        ("the house 12", "het huis 12"),
        ("the house 7", "het huis 7"),  # that but for the digits
        ("Huis", "huis"),  # a copy
        ("$1", "{0}"),  # nothing is left
        ("a", "het huis een huis een huis een huis een huis"),
        ("a", "het huis een"),  # short: any ratio
    ]
    kept, figures = read(pairs)
    assert kept == 3
    assert figures == {
        "pairs_left_out_copies": 1,
        "pairs_left_out_duplicates": 2,
        "pairs_left_out_empty": 1,
        "pairs_left_out_length_ratio": 1,
        "placeholders_left_out": 4,
    }


def test_without_cleaning_all_pairs_with_text_are_taken(read):
    none = PairCleaning(placeholders=False, copies=False, duplicates=False, length_ratio=None)
    kept, figures = read([("the $1", "het $1"), ("the", "the"), ("the", "the"), ("a", "  ")], none)
    assert (kept, figures) == (3, {"pairs_left_out_empty": 1, "placeholders_left_out": 0})


def test_no_pair_left_is_told(read):
    with pytest.raises(UserError, match="no pair with text on both sides"):
        read([("the", "the"), ("%s", "%s")])
