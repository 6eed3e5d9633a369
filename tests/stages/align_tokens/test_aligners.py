"""Each aligner on real pairs: what it gives is a lexicon, words find each other, and equal input gives equal output."""

import csv
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from stages.align_tokens import fast_align, thot
from stages.align_tokens.aligners import aligner
from stages.align_tokens.expected_counts import count_pairs
from stages.align_tokens.lexicon import Lexicons
from stages.align_tokens.sentence_pairs import take_evenly
from stages.align_tokens.settings import AlignTokensSettings
from stages.align_tokens.word_units import SentencePairs, Sentences

DATA = Path(__file__).parents[2] / "data" / "en-nl.tsv"
SHARED = {
    "symmetrization": "agreement",
    "cleaning": {"placeholders": True, "copies": True, "duplicates": True, "length_ratio": 5},
    "lexicon_pairs": None,
    "beam_threshold": -1e9,
    "table_count": 0,
    "min_count": 2,
    "examples": 5,
}
METHODS = {
    "fast_align": {"iterations": 7},
    "thot_fast_align": {"iterations": 5, "variational_bayes": True, "p0": 0.08},
    "eflomal": {"seed": 1, "samplers": 1, "iterations": None, "p0": 0.2},
}
NEEDS = {"fast_align": "systran_align", "thot_fast_align": "thot", "eflomal": "thot"}
# A stand-in for the program of that name: its command line and its table, the numbers by systran-align.
PROGRAM = """#!{python}
import sys
from pathlib import Path
import numpy as np
from stages.align_tokens.fast_align import read_binary
import systran_align
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
files = [given["-p"] + name for name in (".forward", ".reverse")]
systran_align.generate_alignment_probabilities(given["-i"], *files, iterations=int(given["-I"]), beam_threshold=-1e30)
lexicon = read_binary(Path(files["-r" in sys.argv]), 100_000)
with open(given["-p"], "w") as file:
    for key, probability in zip(lexicon.keys.tolist(), lexicon.probabilities.tolist()):
        source, target = divmod(key, 100_000)
        file.write(f"{{source - 1 if source else '<eps>'}}\\t{{target}}\\t{{np.log(probability)}}\\n")
"""


def settings(method, **changes):
    given = SHARED | METHODS.get(method, {}) | {"method": method} | changes
    return AlignTokensSettings.model_validate({"alignment": given}).alignment


@pytest.fixture(scope="module")
def text():
    with DATA.open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    sides, words = [], []
    for side in (0, 1):
        numbers = {}
        cut = [[numbers.setdefault(word, len(numbers)) for word in row[side].lower().split()] for row in rows]
        starts = np.concatenate([[0], np.cumsum([len(line) for line in cut])])
        sides.append(Sentences(np.array([word for line in cut for word in line], dtype=np.int32), starts))
        words.append(list(numbers))
    return sides, words


def train(text, scratch, method, both=True, **changes):
    sides, words = text
    pairs = SentencePairs(*sides, sizes=(len(words[0]), len(words[1])))
    return aligner(settings(method, **changes)).train(pairs, both=both, scratch=scratch)


def check_lexicon(lexicon, sources, targets):
    assert (np.diff(lexicon.keys) > 0).all()
    assert lexicon.targets == targets
    assert lexicon.keys[0] < targets  # the null word has entries
    assert 0 <= lexicon.keys.min() <= lexicon.keys.max() < (sources + 1) * targets
    assert (lexicon.probabilities >= 0).all()
    assert (np.bincount(lexicon.keys // targets, weights=lexicon.probabilities) < 1.001).all()


@pytest.mark.parametrize("method", METHODS)
def test_words_find_each_other(text, tmp_path, method):
    pytest.importorskip(NEEDS[method])
    sides, (english, dutch) = text
    lexicons = train(text, tmp_path, method)
    check_lexicon(lexicons.forward, len(english), len(dutch))
    check_lexicon(lexicons.reverse, len(dutch), len(english))
    pairs = count_pairs(*sides, lexicons, "agreement")
    counts = dict(zip(pairs.keys.tolist(), pairs.counts.tolist(), strict=True))
    for source, target in (("the", "de"), ("a", "een"), ("and", "en"), ("is", "is")):
        row = (english.index(source) + 1) * len(dutch)
        best = max(range(len(dutch)), key=lambda word, row=row: counts.get(row + word, 0))
        assert dutch[best] == target
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", METHODS)
def test_equal_input_gives_equal_output(text, tmp_path, method):
    pytest.importorskip(NEEDS[method])
    one, other = (train(text, tmp_path, method) for _ in range(2))
    for name in ("forward", "reverse"):
        np.testing.assert_array_equal(getattr(one, name).keys, getattr(other, name).keys)
        np.testing.assert_array_equal(getattr(one, name).probabilities, getattr(other, name).probabilities)


def test_another_seed_is_another_sampler(text, tmp_path):
    pytest.importorskip("thot")
    one, other = (train(text, tmp_path, "eflomal", both=False, seed=seed) for seed in (1, 2))
    assert one.reverse is None
    assert one.forward.keys.tolist() != other.forward.keys.tolist()


def test_the_reverse_lexicon_is_the_lexicon_of_the_swapped_sides(text, tmp_path):
    pytest.importorskip("systran_align")
    (source, target), words = text
    here, there = train(text, tmp_path, "fast_align"), train(((target, source), words[::-1]), tmp_path, "fast_align")
    np.testing.assert_array_equal(here.reverse.keys, there.forward.keys)
    np.testing.assert_allclose(here.reverse.probabilities, there.forward.probabilities, rtol=1e-5, atol=1e-9)


@pytest.fixture
def program(tmp_path, monkeypatch):
    path = tmp_path / "bin" / "fast_align"
    path.parent.mkdir()
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(fast_align.__file__).parents[2]), *sys.path]))
    return path


def test_the_program_gives_what_systran_align_gives(text, tmp_path, program, monkeypatch):
    pytest.importorskip("systran_align")
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    given = settings("fast_align_binary", iterations=7, program="fast_align", sha256=None)
    assert given.program == program
    assert "program" not in str(given.identity()["program"])
    found = train(text, tmp_path, "fast_align_binary", iterations=7, program=str(program), sha256=None)
    expected = train(text, tmp_path, "fast_align")
    for name in ("forward", "reverse"):
        np.testing.assert_array_equal(getattr(found, name).keys, getattr(expected, name).keys)
        np.testing.assert_allclose(getattr(found, name).probabilities, getattr(expected, name).probabilities, 1e-4)


def test_a_program_that_is_not_there_or_changes_is_refused_when_planned(tmp_path, program):
    for name in ("no_such_fast_align", str(tmp_path)):
        with pytest.raises(ValueError, match="is no program that can be run"):
            settings("fast_align_binary", iterations=7, program=name, sha256=None)
    planned = settings("fast_align_binary", iterations=7, program=str(program), sha256=None)
    program.write_text("#!/bin/sh\n")
    with pytest.raises(ValueError, match="has changed since the run was planned"):
        AlignTokensSettings.model_validate({"alignment": planned.model_dump(mode="json")})


@pytest.mark.parametrize("method", [*METHODS, "fast_align_binary", "table"])
def test_the_worker_reads_the_settings_that_were_planned(tmp_path, program, method):
    table = {"path": str(program), "sha256": None, "min_count": 2, "examples": 5, "method": "table"}
    own = {"iterations": 7, "program": str(program), "sha256": None} if method == "fast_align_binary" else {}
    given = table if method == "table" else SHARED | METHODS.get(method, own) | {"method": method}
    planned = AlignTokensSettings.model_validate({"alignment": given})
    assert AlignTokensSettings.model_validate_json(planned.model_dump_json()) == planned


def test_a_program_that_writes_no_table_is_told(text, tmp_path, program):
    program.write_text("#!/bin/sh\n")
    with pytest.raises(UserError, match="wrote no probabilities: it must know -p and -t"):
        train(text, tmp_path, "fast_align_binary", iterations=7, program=str(program), sha256=None)


@pytest.mark.parametrize(("method", "module"), [("fast_align", fast_align), ("eflomal", thot)])
def test_a_missing_aligner_names_the_ways_out(monkeypatch, method, module):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="alignment=table"):
        aligner(settings(method)).check()


def test_a_part_of_the_pairs_is_spread_evenly(text):
    sides, _ = text
    part = take_evenly(*sides, 4)
    rows = [0, len(sides[0]) // 4, len(sides[0]) // 2, 3 * len(sides[0]) // 4]
    for whole, some in zip(sides, part, strict=True):
        expected = [whole.units[whole.starts[row] : whole.starts[row + 1]].tolist() for row in rows]
        assert [some.units[a:b].tolist() for a, b in zip(some.starts, some.starts[1:], strict=False)] == expected
    assert take_evenly(*sides, None)[0] is sides[0]


def test_symmetrising_needs_both_directions(text, tmp_path):
    pytest.importorskip("systran_align")
    forward = train(text, tmp_path, "fast_align", both=False)
    with pytest.raises(ValueError, match="needs the lexicon of the reverse direction"):
        count_pairs(*text[0], Lexicons(forward.forward, None), "intersection")
