import json

import numpy as np
import pytest
import tiny_vectors
import tiny_vocabularies as tiny
from scipy.sparse import load_npz

from stages.map_embeddings.from_table import main
from stages.shared.token_text import load_vocabulary


@pytest.fixture
def given(tmp_path):
    tiny.make(tmp_path / "source", "byte_level", [" house", " boat"])
    tiny.make(tmp_path / "target", "sentencepiece", [" huis", " boot", " huisje"])
    tiny.write_lines(tmp_path / "table.tsv", [("Ġhouse", "▁huis", 40.2), ("Ġboat", "▁boot", 11)])
    folders = ["--source", str(tmp_path / "source"), "--target", str(tmp_path / "target")]
    return [str(tmp_path / "table.tsv"), *folders, "--out", str(tmp_path / "out.npz")]


def test_writes_mapping_and_counts(given, tmp_path, capsys):
    assert main([*given, "--counts", str(tmp_path / "counts.json")]) == 0
    weights = load_npz(tmp_path / "out.npz")
    assert weights.shape == (3 + 3 + 1 + 256, 3 + 2 + 256)
    np.testing.assert_allclose(np.asarray(weights.sum(axis=1)).ravel(), 1.0)
    counts = json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))
    assert counts["▁huis"] == {"Ġhouse": 40}
    assert counts["</s>"] == {"</s>": 1_000_000_001}
    assert "▁huisje" not in counts  # smoothing comes after
    assert "smoothing" in capsys.readouterr().out


def test_tables_of_further_languages_are_added(given, tmp_path, capsys):
    rows = [("Ġboat", "▁huis", 10)], [("Ġboat", "▁huis", 30), ("Ġhouse", "▁boot", 9)]
    names = [str(tiny.write_lines(tmp_path / f"{number}.tsv", part)) for number, part in enumerate(rows)]
    pivots = [word for name in names for word in ("--pivot-table", name)]
    assert main([*given, *pivots, "--counts", str(tmp_path / "counts.json")]) == 0
    counts = json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))
    assert counts["▁huis"] == {"Ġhouse": 40, "Ġboat": 40}
    assert counts["▁boot"] == {"Ġboat": 11}  # below min_count there as here
    assert main([*given, "--pivot-table", str(tmp_path / "none.tsv")]) == 2
    assert f"--pivot-table {tmp_path / 'none.tsv'} does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["mean", "random", "multivariate_normal", "subtoken_mean"])
def test_other_methods(given, tmp_path, method):
    assert main([*given, "--method", method]) == 0
    assert load_npz(tmp_path / "out.npz").shape[0] == 263


def test_vectors_are_given_by_folder(given, tmp_path, capsys):
    vectors = tiny_vectors.write(tmp_path / "v", tiny_vectors.drawn(load_vocabulary(tmp_path / "target")))
    assert main([*given, "--method", "omp", "--token-vectors", str(vectors)]) == 0
    assert np.isfinite(load_npz(tmp_path / "out.npz").data).all()
    assert "init method 'omp' needs --token-vectors" in refused([*given, "--method", "omp"], capsys)


def refused(arguments, capsys):
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message.splitlines()[-1]


def test_unknown_method_is_suggested(given, capsys):
    assert "Did you mean 'trans_tokenize'?" in refused([*given, "--method", "transtokenize"], capsys)


def test_a_method_without_rows_is_not_offered(given, capsys):
    assert "keep" not in refused([*given, "--method", "keep"], capsys).partition("Available")[2]


@pytest.mark.parametrize(
    ("method", "left"),
    [("calibrated", "the calibration of calibrated needs"), ("distilled", "the calibration and the warm-up of dist")],
)
def test_what_needs_the_model_is_left_out_and_named(given, tmp_path, capsys, method, left):
    assert main([*given, "--method", "aligned"]) == 0
    assert "note:" not in capsys.readouterr().err
    wanted = (tmp_path / "out.npz").read_bytes()
    assert main([*given, "--method", method]) == 0
    told = capsys.readouterr().err
    assert f"note: {left}" in told
    assert "the rows written are those of aligned alone" in told
    assert (tmp_path / "out.npz").read_bytes() == wanted


def test_what_a_method_needs_is_named(given, capsys):
    wanted = "needs --dictionary and --source-vectors and --target-vectors"
    assert wanted in refused([*given, "--method", "wechsel"], capsys)


def test_the_default_mapping_copies_numbers_bytes_and_special_tokens(given, tmp_path):
    assert main([*given, "--method", "calibrated"]) == 0
    weights = load_npz(tmp_path / "out.npz")
    source, target = (load_vocabulary(tmp_path / side) for side in ("source", "target"))
    for token, partner in (("<0x0A>", "Ċ"), ("<s>", "<s>"), ("</s>", "</s>")):
        row = weights[target.ids[token]]
        assert (row.indices.tolist(), row.data.tolist()) == ([source.ids[partner]], [1.0])


def test_bad_line_is_named(given, tmp_path, capsys):
    (tmp_path / "table.tsv").write_text("Ġhouse\t▁huis\t-1\t40\nĠhouse\t▁huis\n", encoding="utf-8")
    assert "line 2" in refused(given, capsys)


def test_absent_folder(given, capsys, tmp_path):
    given[given.index("--source") + 1] = str(tmp_path / "nowhere")
    assert "nowhere is not a folder" in refused(given, capsys)


@pytest.mark.parametrize(
    ("lines", "message"), [([], "has no pairs"), ([("Ġhouse", "▁huis", 9.9)], "the largest of any line is 9")]
)
def test_a_table_without_evidence_is_refused(given, tmp_path, capsys, lines, message):
    tiny.write_lines(tmp_path / "table.tsv", lines)
    assert message in refused(given, capsys)


def test_a_byte_order_mark_is_no_part_of_the_first_word(given, tmp_path):
    table = tmp_path / "table.tsv"
    assert main(given) == 0
    before = (tmp_path / "out.npz").read_bytes()
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert main(given) == 0
    assert (tmp_path / "out.npz").read_bytes() == before


def test_places_that_cannot_be_read_or_written_are_named(given, tmp_path, capsys):
    assert "is a folder" in refused([*given[:-1], str(tmp_path)], capsys)
    assert "nope.tsv does not exist" in refused([str(tmp_path / "nope.tsv"), *given[1:], "--method", "mean"], capsys)
