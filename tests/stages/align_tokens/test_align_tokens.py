import hashlib
import json
import math
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_vocabularies as tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from stages.align_tokens import expected_counts as counting
from stages.align_tokens import fast_align
from stages.align_tokens.lexicon import PairCounts
from stages.align_tokens.pruning import table_rows
from stages.align_tokens.settings import AlignTokensSettings
from stages.align_tokens.stage import align_tokens
from stages.align_tokens.word_units import SentencePairs, Sentences, WordUnits
from stages.shared.alignment_table import read_table

pytest.importorskip("systran_align")

PAIRS = [
    ("the house", "het huis"),
    ("the boat", "de boot"),
    ("a house", "een huis"),
    ("the houseboat — see <eps> ||| it", "de huisboot — zie <eps> ||| het"),
    ("a boat", "een boot"),
    ("nothing", "  "),
] * 3
FAST_ALIGN = {
    "method": "fast_align",
    "iterations": 7,
    "symmetrization": "none",
    "cleaning": {"placeholders": False, "copies": False, "duplicates": False, "length_ratio": None},
    "lexicon_pairs": None,
    "beam_threshold": -1000,
    "table_count": 0,
    "min_count": 2,
    "examples": 5,
}


def sentences(rows):
    units = np.array([unit for row in rows for unit in row], dtype=np.int32)
    return Sentences(units, np.concatenate([[0], np.cumsum([len(row) for row in rows])]))


def forward(source, target, sizes, updates, scratch):
    return fast_align.train_systran(SentencePairs(source, target, sizes), updates, False, scratch).forward


def model_1(pairs, updates):
    """IBM Model 1 by the book: (source, target) -> probability, and the counts it gives; -1 is the null word."""
    table, counts = None, {}
    for _ in range(updates + 1):
        counts = defaultdict(float)
        for source, target in pairs:
            for word in target:
                shares = {place: (table[s, word] if table else 1.0) for place, s in enumerate([-1, *source])}
                for place, s in enumerate([-1, *source]):
                    counts[s, word] += shares[place] / sum(shares.values())
        last, totals = table, defaultdict(float)
        for (s, _), count in counts.items():
            totals[s] += count
        table = {pair: count / totals[pair[0]] for pair, count in counts.items()}
    return last, counts


WORDS = st.lists(st.integers(0, 4), min_size=1, max_size=5)


@settings(max_examples=8, deadline=None)
@given(pairs=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6))
def test_fast_align_and_the_counts_are_model_1(tmp_path_factory, pairs):
    source, target = sentences([pair[0] for pair in pairs]), sentences([pair[1] for pair in pairs])
    lexicon = forward(source, target, (5, 5), 5, tmp_path_factory.mktemp("scratch"))
    table, counts = model_1(pairs, updates=5)
    found = counting.expected_counts(source, target, lexicon)
    assert len(lexicon.keys) == len(table)
    for key, probability, count in zip(lexicon.keys, lexicon.probabilities, found, strict=True):
        pair = (key // 5 - 1, key % 5)
        assert probability == pytest.approx(table[pair], abs=1e-5)
        assert count == pytest.approx(counts[pair], abs=1e-4)
    assert found.sum() == pytest.approx(len(target.units))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            "import os; os.kill(os.getpid(), 9)",
            r"killed by signal 9 \(Killed\), most likely since memory ran out: give",
        ),
        ("import sys; sys.exit('what():  std::bad_alloc')", r"ended with status 1, most likely since memory ran out"),
        (
            "import sys; sys.stderr.write('old\\n' * 9 + 'ITERATION 1\\nno such thing\\n'); sys.exit(3)",
            r"(?s)ended with status 3\. .*alignment=table.*last words:(\n  old){3}\n  ITERATION 1\n  no such",
        ),
    ],
)
def test_a_fast_align_that_fails_is_told_with_its_last_words(tmp_path, monkeypatch, capfd, program, message):
    child = tmp_path / "child.py"
    child.write_text(program)
    monkeypatch.setattr(fast_align, "CHILD", child)
    with pytest.raises(UserError, match=message):
        fast_align.train_systran(SentencePairs(sentences([[0]]), sentences([[0]]), (1, 1)), 2, False, tmp_path)
    assert list(tmp_path.iterdir()) == [child]
    assert ("no such thing" in capfd.readouterr().err) == ("no such thing" in program)


def test_counts_do_not_depend_on_the_chunks(tmp_path, monkeypatch):
    rows = [[n % 7, n % 3, n % 5] for n in range(40)], [[n % 4, n % 6] for n in range(40)]
    source, target = sentences(rows[0]), sentences(rows[1])
    lexicon = forward(source, target, (7, 6), 3, tmp_path)
    whole = counting.expected_counts(source, target, lexicon)
    monkeypatch.setattr(counting, "CHUNK_PAIRS", 10)
    np.testing.assert_allclose(counting.expected_counts(source, target, lexicon), whole)
    assert list(tmp_path.iterdir()) == []


def test_pruning_keeps_what_fast_align_keeps():
    # one source word, P = 0.5, 0.4, 0.07, 0.03: 0.5 ** 4 = 0.0625
    pairs = PairCounts(np.arange(4) + 4, np.array([50.0, 40.0, 7.0, 3.0]), 4)
    assert table_rows(pairs, -4, 0).tolist() == [0, 1, 2]
    assert table_rows(pairs, -1000, 0).tolist() == [0, 1, 2, 3]
    assert table_rows(pairs, -1000, 10).tolist() == [0, 1]


@pytest.fixture
def inputs(tmp_path):
    tiny.make(tmp_path / "base", "byte_level", ["the", "a", " house", " boat", "boat", " see", " it", " —", "nothing"])
    words = [" het", " de", " een", " huis", " boot", "boot", " zie", "—", " —", "e", "p", "s"]
    tiny.make(tmp_path / "target", "sentencepiece", words)
    (tmp_path / "bitext").mkdir()
    table = pa.table({"source_text": [pair[0] for pair in PAIRS], "target_text": [pair[1] for pair in PAIRS]})
    pq.write_table(table, tmp_path / "bitext" / "train.parquet")
    return {"base_model": tmp_path / "base", "tokenizer": tmp_path / "target", "bitext": tmp_path / "bitext"}


def run(inputs, out, **changes):
    out.mkdir()
    found = AlignTokensSettings.model_validate({"alignment": FAST_ALIGN | changes})
    return align_tokens(found, inputs, out, None)


def test_words_that_mean_the_same_find_each_other(inputs, tmp_path):
    metrics = run(inputs, tmp_path / "out")
    pairs = {(pair.source, pair.target): pair for pair in read_table(tmp_path / "out" / "table.tsv")}
    assert pairs["Ġhouse", "▁huis"].expected_count > pairs["the", "▁huis"].expected_count
    assert metrics["sentences"] == 15  # the pair with an empty side is left out
    described = json.loads((tmp_path / "out" / "alignment.json").read_text())
    assert 0 < described["token_coverage"] <= 1
    assert ("house", "huis") in [(word["source"], word["target"]) for word in described["best_words"]]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["alignment.json", "table.tsv"]


def test_the_same_input_gives_the_same_bytes(inputs, tmp_path):
    digests = []
    for name in ("one", "another_name"):
        run(inputs, tmp_path / name)
        digests.append([hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((tmp_path / name).iterdir())])
    assert digests[0] == digests[1]


def test_dashes_and_delimiters_in_the_text_do_not_break_the_table(inputs, tmp_path):
    run(inputs, tmp_path / "out")
    pairs = list(read_table(tmp_path / "out" / "table.tsv"))
    assert all(math.isfinite(pair.expected_count) for pair in pairs)
    assert any("␛2014;" in pair.target for pair in pairs)
    total = sum(pair.expected_count for pair in pairs)
    assert total == pytest.approx(run(inputs, tmp_path / "again")["target_words_running"], rel=1e-3)


def test_a_given_table_is_taken_and_checked(inputs, tmp_path):
    table = tiny.write_lines(tmp_path / "mine.tsv", [("Ġhouse", "▁huis", 12.5)])
    given = {"method": "table", "path": str(table), "sha256": None, "min_count": 2, "examples": 5}
    found = AlignTokensSettings.model_validate({"alignment": given})
    out = tmp_path / "out"
    out.mkdir()
    assert align_tokens(found, inputs, out, None)["table_pairs"] == 1
    assert (out / "table.tsv").read_bytes() == table.read_bytes()
    table.write_text("Ġhouse\t▁huis\t-1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has changed since"):
        AlignTokensSettings.model_validate(found.model_dump(mode="json"))
    found = AlignTokensSettings.model_validate({"alignment": given})
    with pytest.raises(UserError, match="line 1: 3 columns"):
        align_tokens(found, inputs, out, None)


def test_a_missing_table_is_refused_when_planning():
    for path, message in ((None, "alignment.path=FILE"), ("/nowhere/table.tsv", "is not a file")):
        given = {"method": "table", "path": path, "sha256": None, "min_count": 2, "examples": 5}
        with pytest.raises(ValueError, match=message):
            AlignTokensSettings.model_validate({"alignment": given})


def test_without_systran_align_the_ways_out_are_named(monkeypatch):
    monkeypatch.setattr(fast_align.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="alignment=table"):
        fast_align.check_installed()


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ("byte_level", ["h—u—i—s—b—o—o—t", "ĠÃ©Ã©n", "Ġ", "7", "7", "."]),
        ("sentencepiece", ["▁huis—boot", "▁één", "▁7", "7", "."]),
        ("wordpiece", ["huis—##boot", "één", "7", "##7", "."]),
    ],
)
def test_words_are_joined_and_punctuation_and_digits_are_not(tmp_path, style, words):
    vocabulary = [" huis", "boot", ".", "7", "é", " één", " 7", " ."]
    units = WordUnits(tiny.load(tmp_path, style, vocabulary))
    cut = units.cut(["huisboot één 77."])
    assert [units.names()[unit] for unit in cut.units] == words


def test_a_character_cut_into_bytes_stays_in_its_word(tmp_path):
    units = WordUnits(tiny.load(tmp_path, "byte_level", ["x"]))
    cut = units.cut(["дом да"])
    assert len(cut.units) == 3  # дом, the space by itself, да
