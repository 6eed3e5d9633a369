"""JSON as every stage writes it."""

import math

import pytest

from stages.shared.artifact import read_json, write_json


def test_what_is_written_is_read_again_in_its_order_and_letters(tmp_path):
    path = tmp_path / "figures.json"
    write_json(path, {"тел": ["татар", 0.5], "a": None})
    assert list(read_json(path).items()) == [("тел", ["татар", 0.5]), ("a", None)]
    assert "татар" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_not_finite_leaves_the_file_as_it_was(tmp_path, number):
    path = tmp_path / "figures.json"
    write_json(path, 1)
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"loss": number})
    assert read_json(path) == 1
