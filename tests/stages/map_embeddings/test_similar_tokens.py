"""What FOCUS, OMP and WECHSEL have in common, on all kinds of vocabularies."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import tiny_vectors
import tiny_vocabularies as tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from pipeline.errors import UserError
from stages.map_embeddings.catalogue import INIT_METHODS
from stages.map_embeddings.focus import fuzzy_partners
from stages.map_embeddings.initialization import COPIED, MappingTask
from stages.map_embeddings.similarity import softmax_of_nearest, sparsemax_of_cosines, unit_rows
from stages.map_embeddings.wechsel import read_dictionary

STYLES = ("byte_level", "sentencepiece", "wordpiece")
OPTIONS = {
    "focus": {"match": "exact"},
    "omp": {"k": 3},
    "wechsel": {"neighbors": 3, "temperature": 0.1, "copy_wordless": True},
}
SHARED = [" boat", " één", "s", " 7", "!", " in"]
SOURCE = [*SHARED, " house", "tree", " 漢"]
TARGET = [*SHARED, " huis", "boom", "漢字", " Huis"]
PAIRS = [("boat", "boat"), ("house", "huis"), ("tree", "boom"), ("in", "in")]


def task_in(folder, styles, source_words, target_words):
    source = tiny.load(folder / "source", styles[0], source_words)
    target = tiny.load(folder / "target", styles[1], target_words)
    words = [sorted({pair[side] for pair in PAIRS}) for side in (0, 1)]
    vectors = [tiny_vectors.drawn(source), tiny_vectors.drawn(target)]
    of_words = [np.random.default_rng(side).standard_normal((len(words[side]), 8)) for side in (0, 1)]
    (folder / "dictionary.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS), encoding="utf-8")
    return MappingTask(
        source,
        target,
        dictionary=folder / "dictionary.tsv",
        token_vectors=tiny_vectors.write(folder / "tokens", vectors[1]),
        source_vectors=tiny_vectors.write(folder / "source_words", vectors[0], words[0], of_words[0]),
        target_vectors=tiny_vectors.write(folder / "target_words", vectors[1], words[1], of_words[1]),
    )


@pytest.mark.parametrize("target_style", STYLES)
@pytest.mark.parametrize("source_style", STYLES)
@pytest.mark.parametrize("method", sorted(OPTIONS))
def test_rows_are_finite_copies_exact_and_convex_rows_sum_to_one(tmp_path, method, source_style, target_style):
    task = task_in(tmp_path, (source_style, target_style), SOURCE, TARGET)
    mapped = INIT_METHODS[method](task, **OPTIONS[method])
    weights = mapped.weights
    assert np.isfinite(weights.data).all()
    assert weights.shape == (len(task.target), len(task.source))
    filled = np.diff(weights.indptr) > 0
    np.testing.assert_array_equal(filled, mapped.how > 0)
    if method != "omp":
        np.testing.assert_allclose(np.asarray(weights.sum(axis=1)).ravel()[filled], 1.0)
        assert (weights.data > 0).all()
    assert filled[task.target.ids[tiny.written(" huis", target_style)]]
    copies = ["<s>", "</s>", "<unk>", tiny.written(" 7", target_style), tiny.written("!", target_style)]
    if method != "wechsel":
        copies += [tiny.written(" boat", target_style), tiny.written(" één", target_style)]
    if "wordpiece" not in (source_style, target_style):
        copies += [token for token in ("<0xC3>", "Ã") if token in task.target.ids]
    for token in copies:
        row = weights[task.target.ids[token]]
        assert mapped.how[task.target.ids[token]] == COPIED, token
        assert row.data.tolist() == [1.0], token


@settings(max_examples=8, deadline=None)
@given(st.permutations(SOURCE), st.permutations(TARGET), st.sampled_from(sorted(OPTIONS)))
def test_the_order_of_the_vocabularies_has_no_part(source_words, target_words, method):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        styles = ("byte_level", "sentencepiece")
        plain = task_in(folder / "one", styles, SOURCE, TARGET)
        other = task_in(folder / "two", styles, source_words, target_words)
        first, second = (INIT_METHODS[method](task, **OPTIONS[method]).weights for task in (plain, other))
        rows = [other.target.ids[token] for token in plain.target.tokens]
        columns = [other.source.ids[token] for token in plain.source.tokens]
        np.testing.assert_allclose(second[rows][:, columns].toarray(), first.toarray(), atol=1e-9)


def sparsemax(values):
    """Project on the simplex, by the definition: the threshold is found by bisection."""
    low, high = values.min() - 1, values.max()
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(values - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(values - low, 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 700), st.integers(1, 5), st.sampled_from([0.0, 0.5, 3.0]))
def test_similarities_are_those_of_the_definition(seed, anchors, dimension, common):
    generator = np.random.default_rng(seed)
    left = unit_rows(generator.standard_normal((7, dimension)) + common)
    right = unit_rows(generator.standard_normal((anchors, dimension)) + common)
    cosines = left.astype(np.float64) @ right.T.astype(np.float64)
    expected = np.array([sparsemax(row) for row in cosines])
    np.testing.assert_allclose(sparsemax_of_cosines(left, right).toarray(), expected, atol=1e-9)
    nearest = softmax_of_nearest(left, right, np.ones(anchors, dtype=np.int64), 10, 0.1)
    assert isinstance(nearest, csr_matrix)
    for row, values in zip(nearest, cosines, strict=True):
        largest = np.sort(values)[::-1][:10]
        weights = np.exp(largest / 0.1) / np.exp(largest / 0.1).sum()
        np.testing.assert_allclose(np.sort(row.data)[::-1], weights, rtol=1e-6)


def test_columns_that_share_a_vector_are_taken_one_after_the_other():
    right = unit_rows(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]))
    found = softmax_of_nearest(right[:1], right, np.array([2, 2, 1]), 3, 0.1)
    assert sorted(found[0].indices.tolist()) == [0, 1, 2]
    assert found[0, 0] == found[0, 1] > found[0, 2]


def test_fuzzy_partners_differ_in_case_and_spaces(tmp_path):
    source = tiny.load(tmp_path / "source", "byte_level", [" House", "house", " BOAT"])
    target = tiny.load(tmp_path / "target", "sentencepiece", ["HOUSE", "boat", " tree"])
    partner = fuzzy_partners(source, target)
    assert source.tokens[partner[target.ids["HOUSE"]]] == "house"
    assert source.tokens[partner[target.ids["boat"]]] == "ĠBOAT"
    assert partner[target.ids["▁tree"]] == -1


def test_what_is_absent_is_named_with_the_remedy(tmp_path):
    task = task_in(tmp_path, ("byte_level", "sentencepiece"), SOURCE, TARGET)
    source, target = task.source, task.target
    vectors = {"source_vectors": task.source_vectors, "target_vectors": task.target_vectors}
    with pytest.raises(UserError, match=r"'wechsel' needs a dictionary: give dictionary=file dictionary\.path=FILE"):
        INIT_METHODS["wechsel"](MappingTask(source, target, **vectors), **OPTIONS["wechsel"])
    with pytest.raises(UserError, match="'focus' needs token vectors"):
        INIT_METHODS["focus"](MappingTask(source, target), match="exact")
    with pytest.raises(UserError, match="choose one of exact, fuzzy"):
        INIT_METHODS["focus"](task, match="exakt")
    empty = tiny_vectors.write(tmp_path / "empty", np.zeros((len(target), 2)))
    with pytest.raises(UserError, match=r"lower vectors.tokens.min_count"):
        INIT_METHODS["focus"](MappingTask(source, target, token_vectors=empty), match="exact")
    with pytest.raises(UserError, match="holds no vectors"):
        INIT_METHODS["focus"](MappingTask(source, target, token_vectors=tmp_path), match="exact")


def test_a_dictionary_is_read_and_its_bad_line_named(tmp_path):
    path = tmp_path / "dictionary.tsv"
    path.write_text("\ufeffhouse\thuis\n\nice cream\tijs\nboat boot\n", encoding="utf-8")
    assert read_dictionary(path) == [("house", "huis"), ("ice cream", "ijs"), ("boat", "boot")]
    path.write_text("house\thuis\nboat\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2: 'boat' is not a source word"):
        read_dictionary(path)
    task = task_in(tmp_path, ("byte_level", "sentencepiece"), SOURCE, TARGET)
    task.dictionary.write_text("moon\tmaan\n")
    with pytest.raises(UserError, match="no pair has a vector on both sides"):
        INIT_METHODS["wechsel"](task, **OPTIONS["wechsel"])
