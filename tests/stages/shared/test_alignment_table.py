import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from stages.shared import alignment_table
from stages.shared.alignment_table import WordPair, join_tokens, read_table, split_unit, write_table

TOKENS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4)


@given(TOKENS)
def test_any_token_survives_the_table(tmp_path_factory, tokens):
    path = tmp_path_factory.mktemp("table") / "table.tsv"
    write_table(path, [WordPair(join_tokens(tokens), join_tokens(["x"]), -0.5, 2.0)])
    (pair,) = read_table(path)
    assert split_unit(pair.source, {}) == tokens
    assert (pair.target, pair.log_probability, pair.expected_count) == ("x", -0.5, 2.0)


def test_a_dash_that_is_a_token_is_not_split():
    assert split_unit("—", {"—": 5}) == ["—"]
    assert split_unit("a—b", {"—": 5}) == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"a\tb\t-1\n", "line 2: 3 columns instead of 4"),
        (b"a\tb\t-1\tmany\n", "line 2: .*'many' must be numbers"),
        (b"a\tb\tnan\t3\n", "line 2: .*must be finite"),
        (b"a\tb\t-1\tinf\n", "line 2: .*must be finite"),
        (b"a\tb\t-1\t-3\n", "line 2: .*must be finite, and the count not negative"),
        (b"a\t\xff\t-1\t3\n", "line 2: not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "table.tsv"
    path.write_bytes(b"a\tb\t-1\t3\n" + line)
    with pytest.raises(UserError, match=message):
        list(read_table(path))


def test_absent_table(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        list(read_table(tmp_path / "table.tsv"))


def test_blocks_have_whole_lines_and_count_on(monkeypatch, tmp_path):
    path = tmp_path / "table.tsv"
    lines = ["\ufeffa\tb\t-1\t3\r", "", "c—d\te\u2028f\t-2\t4.5", "g\th\t0\t1e-3"]
    path.write_bytes("\n".join(lines).encode())
    expected = [("a", "b", -1.0, 3.0), ("c—d", "e\u2028f", -2.0, 4.5), ("g", "h", 0.0, 0.001)]
    for size in (1, 7, 1 << 20):
        monkeypatch.setattr(alignment_table, "BLOCK_BYTES", size)
        assert list(read_table(path, progress=False)) == expected
    path.write_bytes("\n".join([*lines, "i\tj\t0"]).encode())
    for size in (1, 7, 1 << 20):
        monkeypatch.setattr(alignment_table, "BLOCK_BYTES", size)
        with pytest.raises(UserError, match="line 5: 3 columns"):
            list(read_table(path, progress=False))
