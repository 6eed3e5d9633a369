"""The index of held-out sentences against its definition in plain Python, on real and on made-up lines."""

import time
from pathlib import Path

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.shared import overlap
from stages.shared.duplicates.benchmark_index import BenchmarkIndex, Hit
from stages.shared.overlap import GRAM_WORDS, SentenceIndex, batches
from stages.shared.words import comparable, words

DATA = Path(__file__).parents[2] / "data"
SENTENCE_END = regex.compile(r"(?<=[.!?…։。])[\"'”’»)]*\s+")
PARTS = ["Dat is", "één", "twee.", "Drie!", "vier?)", "«vijf.»", "Straße", "İ", "ﬁn", "e\u0301", "\u0301x", "Σας"]
PARTS += [
    "…”",
    "'",
    " ",
    "  ",
    "\u2003",
    "\n",
    "\u2001",
    "İ\u0307",
    "тау",
    "Էջ։",
    "文字。",
    "\ud800",
    "\x00",
    ")",
    "ʼn",
]
PARTS += ["ᾼ", "12,5 %"]
LINES = st.lists(st.lists(st.sampled_from(PARTS), max_size=30).map("".join), max_size=8)
MARKED = st.lists(st.lists(st.sampled_from(PARTS), max_size=30).map(" ".join), max_size=8)


def keys(line):
    whole = words(line)
    found = {" ".join(whole)} | {comparable(sentence) for sentence in SENTENCE_END.split(line)}
    found |= {" ".join(whole[first : first + GRAM_WORDS]) for first in range(len(whole) - GRAM_WORDS + 1)}
    return found - {""}


def verdicts(index_lines, lines):
    index = set().union(*map(keys, index_lines))
    return [bool(keys(line) & index) for line in lines]


@settings(deadline=None)
@given(LINES | MARKED | st.lists(st.text(max_size=60)), LINES | MARKED | st.lists(st.text(max_size=60)))
def test_verdicts_are_those_of_the_definition(held_out, lines):
    lines = lines + held_out[:1]
    index = SentenceIndex(held_out)
    assert index.overlapping(lines).tolist() == verdicts(held_out, lines)
    assert index.restricted_to(lines).overlapping(held_out).tolist() == verdicts(lines, held_out)
    assert len(index.set.keys) == len(set().union(*map(keys, held_out)))


@pytest.mark.parametrize("name", ["dutch", "tatar", "english"])
def test_verdicts_on_real_lines(name):
    lines = (DATA / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    joined = [f"{line} {other}" for line, other in zip(lines, lines[3:], strict=False)]
    held_out, rest = lines[::7], lines[1::7] + joined
    index = SentenceIndex(held_out)
    expected = verdicts(held_out, rest)
    assert index.overlapping(rest).tolist() == expected
    assert [index.overlaps(line) for line in rest[:50]] == expected[:50]
    assert index.count(rest) == sum(expected) > 50
    assert not all(expected)


def test_batches_change_nothing(monkeypatch):
    lines = (DATA / "dutch.txt").read_text(encoding="utf-8").split("\n")
    whole = SentenceIndex(lines)
    monkeypatch.setattr(overlap, "BATCH_CHARACTERS", 100)
    assert len(list(batches(lines))) > 100
    assert np.array_equal(SentenceIndex(lines).set.keys, whole.set.keys)
    part = SentenceIndex(lines[::3])
    assert np.array_equal(part.restricted_to(lines[::6]).set.keys, SentenceIndex(lines[::6]).set.keys)


def test_an_index_is_the_same_after_loading(tmp_path):
    lines = (DATA / "dutch.txt").read_text(encoding="utf-8").split("\n")
    SentenceIndex(lines[::2]).save(tmp_path / "held_out.npy")
    loaded = SentenceIndex.load(tmp_path / "held_out.npy")
    assert loaded.overlapping(lines).tolist() == verdicts(lines[::2], lines)
    assert not SentenceIndex([]).overlapping(["Nee.", ""]).any()


def test_hits_name_benchmark_and_line(tmp_path):
    dutch = (DATA / "dutch.txt").read_text(encoding="utf-8").split("\n")
    tatar = (DATA / "tatar.txt").read_text(encoding="utf-8").split("\n")
    benchmarks = {"pages": dutch[:300:3], "empty": [], "messages": tatar[::5]}
    BenchmarkIndex.of_lines(benchmarks, 1).save(tmp_path / "index")
    text = ["Niets daarvan staat hier.", f"Er stond: {dutch[0]}", *tatar[:40], *dutch[:60]]
    expected = [
        Hit(number, name, entry)
        for number, line in enumerate(text)
        for name, lines in benchmarks.items()
        for entry, other in enumerate(lines)
        if keys(line) & keys(other)
    ]
    assert len({hit.benchmark for hit in expected}) == 2
    assert BenchmarkIndex.load(tmp_path / "index").hits(text) == expected


def test_short_answers_of_a_benchmark_do_not_count():
    index = BenchmarkIndex.of_lines({"answers": ["Ja.", "Dat is in orde. Nee."]}, 3)
    assert index.hits(["Ja.", "Nee.", "Goed. Dat is in orde!"]) == [Hit(2, "answers", 1)]
    assert BenchmarkIndex.of_lines({}, 3).hits(["Ja."]) == []


def test_a_line_of_many_megabytes_ends():
    begin = time.perf_counter()
    assert not SentenceIndex(["a b c."]).overlaps("x" * 3_000_000 + ". " + ")" * 1_000_000 + " " + "…) " * 300_000)
    assert time.perf_counter() - begin < 60
